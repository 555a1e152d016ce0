"""What a browser should be told, and what is wrong with what it is told, whatever the server."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from guard.finding import Finding, excerpt_of

HSTS_SECONDS_MIN = 15_552_000  # 180 days; less is refused by the preload lists and by most audits

CSP = "Content-Security-Policy"
HSTS = "Strict-Transport-Security"
OPTIONS = "X-Content-Type-Options"
REFERRER = "Referrer-Policy"
PERMISSIONS = "Permissions-Policy"
FRAME = "X-Frame-Options"

PERMISSIONS_SUGGESTED = "camera=(), geolocation=(), microphone=()"
HELP = "https://owasp.org/www-project-secure-headers/"


@dataclass(frozen=True)
class Expected:
    """A header that each answer should carry. `suggestion` is None where only the authors can know it."""

    severity: str
    why: str
    suggestion: str | None


EXPECTED: Mapping[str, Expected] = {
    CSP: Expected("medium", "nothing limits what an injected script may load or send", None),
    HSTS: Expected(
        "medium", "the first request may go over plain HTTP", "max-age=31536000; includeSubDomains"
    ),
    FRAME: Expected("medium", "any site may frame the page and steal clicks", "SAMEORIGIN"),
    OPTIONS: Expected("low", "a browser may guess another type for a file and run it", "nosniff"),
    REFERRER: Expected("low", "full addresses leak to other sites", "strict-origin-when-cross-origin"),
    PERMISSIONS: Expected(
        "low", "framed content may ask for camera and location", "camera=(), geolocation=(), microphone=()"
    ),
}


@dataclass(frozen=True)
class Site:
    """One served site as its configuration describes it: where, whether over TLS, with which headers.

    `headers` maps names in lower case to (value, line). `certain` is false when an include could not be read.
    """

    file: str
    line: int
    server: str  # nginx | caddy | traefik
    name: str
    https: bool
    excerpt: str
    headers: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    certain: bool = True
    inherited: Mapping[str, str] = field(default_factory=dict)  # what a header of its own would switch off


def check(site: Site) -> Iterator[Finding]:
    for header, expected in EXPECTED.items():
        if header.lower() in site.headers:
            yield from _weaknesses(header, site)
        elif not _is_covered(header, site):
            yield _missing(header, expected, site)


def _is_covered(header: str, site: Site) -> bool:
    if header == FRAME:
        return "frame-ancestors" in site.headers.get(CSP.lower(), ("", 0))[0]
    return header == HSTS and not site.https


def _missing(header: str, expected: Expected, site: Site) -> Finding:
    return Finding(
        kind="header",
        rule=f"headers/{header.lower()}-missing",
        severity=expected.severity,
        confidence="high" if site.certain else "low",
        file=site.file,
        line=site.line,
        message=f"{site.name} is served without {header}: {expected.why}",
        excerpt=excerpt_of(site.excerpt),
        cwe="CWE-1021" if header == FRAME else "CWE-693",
        help=HELP,
        data=_data(header, expected, site),
    )


def _data(header: str, expected: Expected, site: Site) -> dict[str, object]:
    if expected.suggestion is None:
        return {}
    return {"server": site.server, "set": {header: expected.suggestion}, "inherited": dict(site.inherited)}


def _weaknesses(header: str, site: Site) -> Iterator[Finding]:
    value, line = site.headers[header.lower()]
    for problem, severity in weak(header, value):
        yield Finding(
            kind="header",
            rule=f"headers/{header.lower()}-weak",
            severity=severity,
            confidence="high",
            file=site.file,
            line=line,
            message=f"{site.name}: {header} {problem}",
            excerpt=excerpt_of(f"{header}: {value}"),
            cwe="CWE-693",
            help=HELP,
        )


def weak(header: str, value: str) -> Iterator[tuple[str, str]]:
    """What is wrong with a header's value: (problem, severity) each."""
    if header == CSP:
        yield from _weak_policy(value)
    elif header == HSTS:
        age = re.search(r"max-age\s*=\s*\"?(\d+)", value)
        if age is None or int(age[1]) < HSTS_SECONDS_MIN:
            yield f"lasts less than {HSTS_SECONDS_MIN // 86_400} days", "low"
    elif header == OPTIONS and value.strip().lower() != "nosniff":
        yield f"is '{value}', and browsers know only 'nosniff'", "low"
    elif header == REFERRER and value.strip().lower() in ("unsafe-url", "no-referrer-when-downgrade"):
        yield f"is '{value}', which sends full addresses to other sites", "low"
    elif header == FRAME and value.strip().upper() not in ("DENY", "SAMEORIGIN"):
        yield f"is '{value}', and browsers know only DENY and SAMEORIGIN", "medium"


def _weak_policy(value: str) -> Iterator[tuple[str, str]]:
    directives = _directives(value)
    scripts = directives.get("script-src", directives.get("default-src"))
    if scripts is None:
        yield "has neither script-src nor default-src, so any script may run", "medium"
        return
    is_strict = any(source.startswith(("'nonce-", "'sha256-", "'sha384-", "'sha512-")) for source in scripts)
    if "'unsafe-inline'" in scripts and not is_strict:
        yield "allows 'unsafe-inline' scripts, so it does not stop an injected one", "medium"
    if "'unsafe-eval'" in scripts:
        yield "allows 'unsafe-eval'", "low"
    for directive in ("script-src", "default-src"):
        if {"*", "http:", "https:", "data:"} & set(directives.get(directive, ())):
            yield f"lets {directive} load from anywhere", "medium"


def _directives(value: str) -> dict[str, list[str]]:
    parts = [part.split() for part in value.lower().split(";")]
    return {words[0]: words[1:] for words in parts if words}
