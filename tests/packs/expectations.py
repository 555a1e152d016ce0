"""What the pack security must find in its sample, the shop. For tests of agents and of whole runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

PACK = Path(__file__).parents[2] / "shared/packs/security"
SHOP = PACK / "samples/shop"

# Put together here so that no test holds one in one piece.
SECRETS = (
    "AKIAIOSFODNN7" + "EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY",
    "correct-horse" + "-battery",
)

# (rule, file, line)
CODE = (
    ("bandit/B506", "shop/app.py", 23),
    ("bandit/B324", "shop/app.py", 28),
    ("bandit/B501", "shop/app.py", 29),
    ("bandit/B113", "shop/app.py", 29),
    ("bandit/B306", "shop/app.py", 36),
    ("bandit/B602", "shop/app.py", 37),
    ("bandit/B602", "shop/app.py", 38),
    ("bandit/B301", "shop/app.py", 44),
    ("bandit/B201", "shop/app.py", 55),
    ("bandit/B324", "shop/accounts.py", 11),
    ("bandit/B608", "shop/accounts.py", 15),
)
LEAKS = (
    ("detect-secrets/aws-access-key", "shop/app.py", 16),
    ("detect-secrets/aws-access-key", "shop/app.py", 17),
    ("detect-secrets/secret-keyword", "shop/accounts.py", 7),
    ("detect-secrets/secret-keyword", ".env", 2),
    ("detect-secrets/secret-keyword", "docker-compose.yml", 6),
)
HEADERS = (
    ("headers/content-security-policy-missing", "deploy/nginx.conf", 3),
    ("headers/strict-transport-security-missing", "deploy/nginx.conf", 3),
    ("nginx/old-tls", "deploy/nginx.conf", 6),
    ("nginx/headers-dropped", "deploy/nginx.conf", 15),
    ("nginx/alias-traversal", "deploy/nginx.conf", 15),
    ("headers/x-frame-options-missing", "deploy/Caddyfile", 1),
    ("headers/content-security-policy-weak", "deploy/Caddyfile", 4),
    ("compose/privileged", "docker-compose.yml", 4),
    ("compose/docker-socket", "docker-compose.yml", 13),
    ("compose/host-network", "docker-compose.yml", 11),
    ("compose/published-port", "docker-compose.yml", 17),
    ("headers/content-security-policy-missing", "docker-compose.yml", 8),
    ("html/loaded-over-http", "static/index.html", 7),
    ("html/no-integrity", "static/index.html", 8),
    ("html/form-over-http", "static/index.html", 11),
    ("python/cookie-flags", "shop/app.py", 50),
)
LICENSES = (
    ("header", "shop/report.py", "GPL-3.0-or-later", "denied"),
    ("file", "LICENSE", "MIT", "allowed"),
    ("project", "shop", "MIT", "allowed"),
    ("dependency", "requests", "Apache-2.0", "allowed"),
    ("dependency", "some-package-nobody-has", "unknown", "unknown"),
    ("dependency", "copyleft-chart", "unknown", "unknown"),
)
# What the patch resolves, and what it must leave to a person.
FIXED = (
    ("bandit/B506", "shop/app.py", 23),
    ("bandit/B324", "shop/app.py", 28),
    ("bandit/B501", "shop/app.py", 29),
    ("bandit/B113", "shop/app.py", 29),
    ("bandit/B306", "shop/app.py", 36),
    ("bandit/B602", "shop/app.py", 37),
    ("python/cookie-flags", "shop/app.py", 50),
    ("bandit/B201", "shop/app.py", 55),
    ("ruff/F401", "shop/app.py", 6),
    ("headers/strict-transport-security-missing", "deploy/nginx.conf", 3),
    ("headers/x-content-type-options-missing", "deploy/nginx.conf", 3),
    ("headers/referrer-policy-missing", "deploy/nginx.conf", 3),
    ("headers/permissions-policy-missing", "deploy/nginx.conf", 3),
    ("nginx/headers-dropped", "deploy/nginx.conf", 15),
    ("nginx/old-tls", "deploy/nginx.conf", 6),
)
LEFT = (("bandit/B324", "shop/accounts.py", 11), ("bandit/B602", "shop/app.py", 38))
VERDICT = "fail"


def places(items: list[dict[str, Any]]) -> set[tuple[str, str, int]]:
    return {(item["rule"], item["file"], item["line"]) for item in items}


def complaints(*, report: dict[str, Any], page: str, patch: str) -> Iterator[str]:
    """What is wrong with the outcome of a whole run on the shop: its JSON, its page, its patch."""
    yield from (f"not found: {place}" for place in {*CODE, *LEAKS, *HEADERS} - places(report["findings"]))
    judged = {(item["kind"], item["name"], item["license"], item["verdict"]) for item in report["licenses"]}
    yield from (f"not judged so: {item}" for item in {*LICENSES} - judged)
    proven = [fix for fix in report["fixes"] if fix["proven"]]
    yield from (f"not fixed with proof: {place}" for place in {*FIXED} - places(proven))
    yield from (f"not left to a person: {place}" for place in {*LEFT} - places(report["left"]))
    if report["verdict"] != VERDICT or report["missing"]:
        yield f"verdict {report['verdict']}, without {report['missing']}"
    for secret in SECRETS:
        for name, text in (("page", page), ("JSON", str(report)), ("patch", patch)):
            if secret in text:
                yield f"the {name} tells the secret {secret[:4]}…"
    for title in (
        "yaml.load makes any object",
        "Path traversal through alias",
        "GPL-3.0-or-later",
        "+++ b/shop/app.py",
    ):
        if title not in page:
            yield f"the page does not say '{title}'"
    if "--- a/deploy/nginx.conf" not in patch:
        yield "the patch leaves nginx alone"
