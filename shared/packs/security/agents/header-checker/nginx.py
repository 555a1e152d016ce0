"""Headers and risky settings of nginx, from its configuration as crossplane parses it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import crossplane
from guard.finding import Finding, excerpt_of
from guard.handover import log
from guard.tree import SourceFile, Tree
from headers import EXPECTED, Site, check

Directive = dict[str, Any]
Headers = Mapping[str, tuple[str, int]]

INCLUDE_DEPTH_MAX = 4
_FOLDERS = {"nginx", "conf.d", "sites-enabled", "sites-available"}
_SERVER = re.compile(r"^\s*server\s*\{", re.MULTILINE)


@dataclass(frozen=True)
class _Place:
    """Where a block stands, and what it inherits."""

    file: SourceFile
    tree: Tree
    headers: Headers
    certain: bool = True


def is_mine(file: SourceFile) -> bool:
    pure = PurePosixPath(file.name)
    is_named = "nginx" in pure.name.lower() and pure.suffix in (".conf", ".nginx", ".template")
    is_placed = pure.suffix in (".conf", ".nginx", "") and bool(_FOLDERS & {*pure.parts[:-1]})
    return is_named or is_placed or (pure.suffix == ".conf" and _SERVER.search(file.text()) is not None)


def scan(file: SourceFile, *, tree: Tree) -> Iterator[Finding]:
    yield from _in_block(_parsed(file), place=_Place(file=file, tree=tree, headers={}))


def _parsed(file: SourceFile) -> list[Directive]:
    """The directives, without leaving the tree: includes are looked up by `_included`."""
    payload = crossplane.parse(str(file.path), single=True, check_ctx=False, check_args=False)
    config = payload["config"][0]
    for error in config["errors"]:
        log(f"{file.name}: {error['error']}")
    return list(config["parsed"])


def _in_block(block: Sequence[Directive], *, place: _Place) -> Iterator[Finding]:
    place = _entered(block, place=place)
    for directive in block:
        yield from _risky(directive, file=place.file)
        name, children = directive["directive"], directive.get("block", [])
        if name == "server":
            yield from _in_server(directive, place=place)
        elif name == "location":
            yield from _in_location(directive, place=place)
        elif children:
            yield from _in_block(children, place=place)


def _entered(block: Sequence[Directive], *, place: _Place) -> _Place:
    """nginx's rule: a block with one add_header of its own inherits none from outside."""
    own, certain = _headers(block, place=place)
    return replace(place, headers=own or place.headers, certain=place.certain and certain)


def _headers(block: Sequence[Directive], *, place: _Place, depth: int = 0) -> tuple[Headers, bool]:
    """The headers that a block sets by itself, and whether all of its includes could be read."""
    found: dict[str, tuple[str, int]] = {}
    certain = True
    for directive in block:
        name, arguments = directive["directive"], directive["args"]
        if name == "add_header" and len(arguments) >= 2:
            found[arguments[0].lower()] = (arguments[1], directive["line"])
        elif name == "more_set_headers":
            found |= {key.lower(): (value, directive["line"]) for key, value in _pairs(arguments)}
        elif name == "include" and arguments:
            included = _included(arguments[0], place=place)
            if not included or depth >= INCLUDE_DEPTH_MAX:
                certain = certain and _sets_no_headers(arguments[0])
            for file in included if depth < INCLUDE_DEPTH_MAX else []:
                headers, known = _headers(_parsed(file), place=place, depth=depth + 1)
                found |= {key: (value, directive["line"]) for key, (value, _) in headers.items()}
                certain = certain and known
    return found, certain


def _pairs(arguments: Sequence[str]) -> Iterator[tuple[str, str]]:
    for argument in arguments:
        key, colon, value = argument.partition(":")
        if colon:
            yield key.strip(), value.strip()


def _included(pattern: str, *, place: _Place) -> list[SourceFile]:
    """The tree's files that an include means: next to the file, or anywhere by its last parts."""
    beside = (PurePosixPath(place.file.name).parent / pattern).as_posix()
    exact = [file for file in place.tree.files if PurePosixPath(file.name).match(beside)]
    return exact or [
        file for file in place.tree.files if file.name.endswith("/" + PurePosixPath(pattern).name)
    ]


def _sets_no_headers(pattern: str) -> bool:
    return PurePosixPath(pattern).name in ("mime.types", "fastcgi_params", "proxy_params", "uwsgi_params")


def _in_server(server: Directive, *, place: _Place) -> Iterator[Finding]:
    block = server["block"]
    inside = _entered(block, place=place)
    if not _only_redirects(block):
        inherited = {} if _headers(block, place=place)[0] else place.headers
        yield from check(_site(server, place=inside, inherited=inherited))
    yield from _in_block(block, place=place)


def _only_redirects(block: Sequence[Directive]) -> bool:
    redirects = any(item["directive"] == "return" and item["args"][0].startswith("3") for item in block)
    return redirects and not any(item["directive"] == "location" for item in block)


def _site(server: Directive, *, place: _Place, inherited: Headers) -> Site:
    names = [item["args"] for item in server["block"] if item["directive"] == "server_name"]
    return Site(
        file=place.file.name,
        line=server["line"],
        server="nginx",
        name=" ".join(names[0]) if names and names[0] != ["_"] else "the default server",
        https=_is_https(server["block"]),
        excerpt="server {",
        headers=place.headers,
        certain=place.certain,
        inherited={name: value for name, (value, _) in inherited.items()},
    )


def _is_https(block: Sequence[Directive]) -> bool:
    return any(
        item["directive"] == "listen"
        and ("ssl" in item["args"] or any(text.endswith("443") for text in item["args"]))
        for item in block
    )


def _in_location(location: Directive, *, place: _Place) -> Iterator[Finding]:
    own, _ = _headers(location["block"], place=place)
    lost = {name: value for name, (value, _) in place.headers.items() if name not in own}
    known = {header.lower(): header for header in EXPECTED}
    dropped = {known[name]: value for name, value in lost.items() if name in known}
    if own and dropped:
        yield _dropped(location, dropped=dropped, file=place.file)
    yield from _traversal(location, file=place.file)
    yield from _in_block(location["block"], place=place)


def _dropped(location: Directive, *, dropped: Mapping[str, str], file: SourceFile) -> Finding:
    path = " ".join(location["args"])
    return Finding(
        kind="header",
        rule="nginx/headers-dropped",
        severity="medium",
        confidence="high",
        file=file.name,
        line=location["line"],
        message=f"location {path} has its own add_header and so loses {', '.join(dropped)}",
        excerpt=excerpt_of(file.line(location["line"])),
        cwe="CWE-693",
        help="https://nginx.org/en/docs/http/ngx_http_headers_module.html#add_header",
        data={"server": "nginx", "set": dict(dropped)},
    )


def _traversal(location: Directive, *, file: SourceFile) -> Iterator[Finding]:
    path = location["args"][-1]
    is_prefix = location["args"][0] not in ("~", "~*", "=")
    for item in location["block"]:
        if (
            item["directive"] == "alias"
            and is_prefix
            and item["args"][0].endswith("/")
            and not path.endswith("/")
        ):
            message = (
                f"location {path} without a slash at its end and alias with one: {path}../ leaves the folder"
            )
            yield _setting("alias-traversal", "high", message, line=location["line"], file=file, cwe="CWE-22")


def _risky(directive: Directive, *, file: SourceFile) -> Iterator[Finding]:
    name, arguments, line = directive["directive"], directive["args"], directive["line"]
    old = sorted({"SSLv2", "SSLv3", "TLSv1", "TLSv1.1"} & set(arguments))
    flags = " ".join(arguments[1:]).lower()
    missing = [flag for flag in ("secure", "httponly", "samesite") if flag not in flags]
    if name == "server_tokens" and arguments == ["on"]:
        message = "nginx tells its version to everyone"
        yield _setting("server-tokens", "low", message, line=line, file=file, cwe="CWE-200")
    elif name == "ssl_protocols" and old:
        message = f"{' and '.join(old)} can be broken; TLSv1.2 and TLSv1.3 are enough for every browser"
        yield _setting("old-tls", "medium", message, line=line, file=file, cwe="CWE-327")
    elif name == "autoindex" and arguments == ["on"]:
        message = "lists the files of a folder to everyone"
        yield _setting("autoindex", "low", message, line=line, file=file, cwe="CWE-548")
    elif name == "add_header" and arguments[:1] == ["Set-Cookie"] and missing:
        message = f"a cookie is set without {', '.join(missing)}"
        yield _setting("cookie-flags", "medium", message, line=line, file=file, cwe="CWE-614")


def _setting(rule: str, severity: str, message: str, *, line: int, file: SourceFile, cwe: str) -> Finding:
    return Finding(
        kind="configuration",
        rule=f"nginx/{rule}",
        severity=severity,
        confidence="high",
        file=file.name,
        line=line,
        message=message,
        excerpt=excerpt_of(file.line(line)),
        cwe=cwe,
        help="https://nginx.org/en/docs/",
    )
