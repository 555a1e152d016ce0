"""header-checker reads each server's configuration by that server's rules."""

from pathlib import Path
from typing import Any

from tests.packs.agent_process import run, write_tree
from tests.packs.conftest import Chain
from tests.packs.expectations import HEADERS, places

ALL = """add_header Content-Security-Policy "default-src 'self'; frame-ancestors 'none'" always;
add_header X-Content-Type-Options nosniff always;
add_header Referrer-Policy no-referrer always;
add_header Permissions-Policy "camera=()" always;
"""


def check(tmp_path: Path, files: dict[str, str | bytes]) -> list[dict[str, Any]]:
    answer = run("header-checker", out=tmp_path / "out", source=str(write_tree(tmp_path / "tree", files)))
    return list(answer["findings"])


def rules(findings: list[dict[str, Any]]) -> set[str]:
    return {found["rule"] for found in findings}


def test_finds_the_planted_problems_at_their_lines(shop: Chain) -> None:
    assert {*HEADERS} <= places(shop.headers["findings"])
    assert shop.headers["checked"] == {"caddy": 1, "compose": 1, "html": 1, "nginx": 1, "python": 1}


def test_a_server_with_all_headers_is_clean(tmp_path: Path) -> None:
    assert check(tmp_path, {"nginx.conf": f"server {{ listen 80;\n{ALL}}}\n"}) == []


def test_hsts_is_wanted_only_over_tls(tmp_path: Path) -> None:
    found = check(tmp_path, {"nginx.conf": f"server {{ listen 443 ssl;\n{ALL}}}\n"})

    assert rules(found) == {"headers/strict-transport-security-missing"}


def test_a_server_inherits_from_http_unless_it_has_a_header_of_its_own(tmp_path: Path) -> None:
    inherits = f"http {{ {ALL} server {{ listen 80; }} }}"
    loses = f"http {{ {ALL} server {{ listen 80;\nadd_header X-Version 1;\n}} }}"

    assert check(tmp_path / "a", {"nginx.conf": inherits}) == []
    assert "headers/content-security-policy-missing" in rules(check(tmp_path / "b", {"nginx.conf": loses}))


def test_an_include_in_the_tree_is_followed_and_one_outside_lowers_the_confidence(tmp_path: Path) -> None:
    server = "server {\n    listen 80;\n    include snippets/security.conf;\n}\n"
    both: dict[str, str | bytes] = {"nginx/site.conf": server, "nginx/snippets/security.conf": ALL}

    assert check(tmp_path / "a", both) == []
    alone = check(tmp_path / "b", {"nginx/site.conf": server})
    assert {found["confidence"] for found in alone} == {"low"}


def test_a_server_that_only_redirects_needs_no_headers(tmp_path: Path) -> None:
    assert (
        check(tmp_path, {"nginx.conf": "server { listen 80; return 301 https://$host$request_uri; }"}) == []
    )


def test_broken_nginx_is_logged_and_not_fatal(tmp_path: Path) -> None:
    assert check(tmp_path, {"nginx.conf": "server { listen 80;\n"}) == []


def test_caddy_snippets_and_plain_sites_are_understood(tmp_path: Path) -> None:
    snippet = (
        "(secure) {\n header {\n  Content-Security-Policy \"default-src 'self'\"\n  X-Frame-Options DENY\n"
        "  X-Content-Type-Options nosniff\n  Referrer-Policy no-referrer\n  Permissions-Policy camera=()\n"
        "  Strict-Transport-Security max-age=31536000\n }\n}\n"
    )
    sites = (
        "a.example.com {\n import secure\n}\nb.example.com {\n header -Server\n}\n"
        "http://c.example.com {\n redir https://a.example.com\n}\n"
    )

    found = check(tmp_path, {"Caddyfile": snippet + sites})

    assert {item["line"] for item in found} == {14}
    assert "headers/strict-transport-security-missing" in rules(found)


def test_labels_of_traefik_set_headers(tmp_path: Path) -> None:
    compose = """services:
  app:
    image: app:1.0
    labels:
      traefik.http.routers.app.rule: Host(`a.example.com`)
      traefik.http.middlewares.m.headers.contentSecurityPolicy: "default-src 'self'"
      traefik.http.middlewares.m.headers.frameDeny: "true"
      traefik.http.middlewares.m.headers.contentTypeNosniff: "true"
      traefik.http.middlewares.m.headers.referrerPolicy: no-referrer
      traefik.http.middlewares.m.headers.permissionsPolicy: camera=()
"""

    assert check(tmp_path, {"compose.yaml": compose}) == []


def test_risky_compose_settings_in_every_form(tmp_path: Path) -> None:
    compose = """x-base: &base
  privileged: true
services:
  a:
    <<: *base
    image: a@sha256:00
    cap_add: [SYS_ADMIN]
    security_opt: ["seccomp:unconfined"]
    pid: host
    volumes:
      - {type: bind, source: /var/run/docker.sock, target: /var/run/docker.sock}
    ports: ["127.0.0.1:5432:5432", "6379:6379"]
"""

    found = check(tmp_path, {"docker-compose.prod.yml": compose})

    assert rules(found) == {
        f"compose/{name}"
        for name in (
            "privileged",
            "capability",
            "unconfined",
            "host-process",
            "docker-socket",
            "published-port",
        )
    }
    assert [item["message"] for item in found if item["rule"] == "compose/published-port"] == [
        "service a publishes port 6379 on every interface; bind it to 127.0.0.1"
    ]


def test_yaml_that_is_broken_or_no_compose_is_no_problem(tmp_path: Path) -> None:
    assert (
        check(tmp_path, {"compose.yaml": "a: [", "docker-compose.yml": "- 1\n", "stack.yml": "services: 3\n"})
        == []
    )


def test_cookies_with_options_or_in_tests_are_not_accused(tmp_path: Path) -> None:
    flags = 'secure=True, httponly=True, samesite="Lax"'
    code = f'a.set_cookie("x", "y", **options)\nb.set_cookie("x", "y", {flags})\n'

    assert check(tmp_path, {"app.py": code}) == []
