"""Risky settings of Compose files, and the headers that their Traefik labels set."""

import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any

import yaml
from guard.finding import Finding, excerpt_of
from guard.handover import log
from guard.tree import SourceFile
from headers import CSP, FRAME, HSTS, OPTIONS, PERMISSIONS, REFERRER, Site, check

NODES_MAX = 20_000  # aliases can make a small file huge
HELP = "https://cheatsheetseries.owasp.org/cheatsheets/Docker_Security_Cheat_Sheet.html"

_NAME = re.compile(r"^(docker-)?compose([.-][^/]*)?\.ya?ml$|^stack\.ya?ml$")
_ROUTER = re.compile(r"traefik\.http\.routers\.[^.]+\.rule", re.IGNORECASE)
_DATABASE_PORTS = {"1433", "3306", "5432", "5984", "6379", "9042", "9200", "11211", "27017", "2375"}
_CAPABILITIES = {"ALL", "SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE", "NET_ADMIN", "DAC_READ_SEARCH"}
_TRAEFIK = {
    "contentsecuritypolicy": CSP, "stsseconds": HSTS, "contenttypenosniff": OPTIONS,
    "referrerpolicy": REFERRER, "permissionspolicy": PERMISSIONS,
    "framedeny": FRAME, "customframeoptionsvalue": FRAME,
}  # fmt: skip

Setting = tuple[str, str, str, str]  # rule, severity, message, CWE
Node = yaml.Node


def is_mine(file: SourceFile) -> bool:
    return _NAME.match(PurePosixPath(file.name).name) is not None


def scan(file: SourceFile) -> Iterator[Finding]:
    try:
        root = yaml.compose(file.text(), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        log(f"{file.name}: not valid YAML: {error}")
        return
    for name, service in _entries(_get(root, "services")):
        for node, (rule, severity, message, cwe) in _settings(service):
            line = node.start_mark.line + 1
            yield Finding(
                kind="configuration",
                rule=f"compose/{rule}",
                severity=severity,
                confidence="high",
                file=file.name,
                line=line,
                message=f"service {name.value} {message}",
                excerpt=excerpt_of(file.line(line)),
                cwe=cwe,
                help=HELP,
            )
        yield from _sites(name, service, file=file)


def _settings(service: Node | None) -> Iterator[tuple[Node, Setting]]:
    for key, value in _entries(service):
        check_of = _CHECKS.get(key.value)
        for node in _items(value) if check_of else []:
            setting = check_of(_text(node)) if check_of else None
            if setting is not None:
                yield node, setting


def _privileged(text: str) -> Setting | None:
    if text.lower() != "true":
        return None
    return "privileged", "high", "is privileged: who breaks out of the program owns the host", "CWE-250"


def _volume(text: str) -> Setting | None:
    if "docker.sock" not in text:
        return None
    return "docker-socket", "high", "gets the Docker socket, which is root on the host", "CWE-250"


def _host_namespace(kind: str) -> Callable[[str], Setting | None]:
    def check_of(text: str) -> Setting | None:
        return (
            (f"host-{kind}", "medium", f"shares the host's {kind} namespace", "CWE-653")
            if text == "host"
            else None
        )

    return check_of


def _capability(text: str) -> Setting | None:
    if text.upper().removeprefix("CAP_") not in _CAPABILITIES:
        return None
    return "capability", "high", f"gets the capability {text}", "CWE-250"


def _security_option(text: str) -> Setting | None:
    if not text.replace("=", ":").endswith(":unconfined"):
        return None
    return "unconfined", "medium", f"switches a protection off ({text})", "CWE-693"


def _port(text: str) -> Setting | None:
    parts = text.removesuffix("/tcp").split(":")
    if parts[-1] not in _DATABASE_PORTS or len(parts) > 2 or len(parts) < 2:
        return None
    return (
        "published-port",
        "medium",
        f"publishes port {parts[-1]} on every interface; bind it to 127.0.0.1",
        "CWE-668",
    )


def _image(text: str) -> Setting | None:
    name = text.rsplit("/", 1)[-1]
    if "$" in text or "@" in name or (":" in name and not name.endswith(":latest")):
        return None
    return "floating-image", "low", f"runs {text}, which changes without notice; pin a version", "CWE-1357"


_CHECKS: dict[str, Callable[[str], Setting | None]] = {
    "privileged": _privileged, "volumes": _volume, "network_mode": _host_namespace("network"),
    "pid": _host_namespace("process"), "ipc": _host_namespace("ipc"), "cap_add": _capability,
    "security_opt": _security_option, "ports": _port, "image": _image,
}  # fmt: skip


def _sites(name: Node, service: Node | None, *, file: SourceFile) -> Iterator[Finding]:
    """A router of Traefik is a served site; middlewares of the same service set its headers."""
    labels = list(_labels(_get(service, "labels")))
    headers = {}
    for key, value, line in labels:
        middleware = re.fullmatch(r"traefik\.http\.middlewares\.[^.]+\.headers\.(\w+)", key, re.IGNORECASE)
        if middleware and (header := _TRAEFIK.get(middleware[1].lower())):
            headers[header.lower()] = (_as_header(header, value), line)
    router = next(
        (label for label in labels if re.fullmatch(r"traefik\.http\.routers\.[^.]+\.rule", label[0])), None
    )
    if router is None:
        return
    uses_foreign = any(key.endswith(".middlewares") and "@" in value for key, value, _ in labels)
    yield from check(
        Site(
            file=file.name,
            line=router[2],
            server="traefik",
            name=f"service {name.value}",
            https=any(".tls" in key or "websecure" in value for key, value, _ in labels),
            excerpt=excerpt_of(router[1]),
            headers=headers,
            certain=not uses_foreign,
        )
    )


def _as_header(header: str, value: str) -> str:
    return {HSTS: f"max-age={value}", OPTIONS: "nosniff", FRAME: "DENY" if value == "true" else value}.get(
        header, value
    )


def _labels(node: Node | None) -> Iterator[tuple[str, str, int]]:
    for key, value in _entries(node):
        yield key.value, _text(value), key.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            name, _, text = _text(item).partition("=")
            yield name, text, item.start_mark.line + 1


def _entries(node: Node | None) -> Iterator[tuple[Any, Node]]:
    """The keys and values of a mapping, merged ones (`<<`) too."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value[:NODES_MAX]:
        if key.value == "<<" and value is not node:
            yield from _entries(value)
        elif isinstance(key, yaml.ScalarNode):
            yield key, value


def _get(node: Node | None, key: str) -> Node | None:
    return next((value for name, value in _entries(node) if name.value == key), None)


def _items(node: Node) -> list[Node]:
    return node.value[:NODES_MAX] if isinstance(node, yaml.SequenceNode) else [node]


def _text(node: Node) -> str:
    """A scalar's text; of the long form of a volume or port the text of its short form."""
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    parts = {key.value: _text(value) for key, value in _entries(node) if isinstance(value, yaml.ScalarNode)}
    address = [parts[key] for key in ("host_ip", "published", "source", "target") if key in parts]
    return ":".join(address)
