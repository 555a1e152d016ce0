"""What HTML pages say about themselves: policies in meta tags, scripts and forms over plain HTTP."""

from collections.abc import Iterator
from html.parser import HTMLParser

from guard.finding import Finding, excerpt_of
from guard.tree import SourceFile
from headers import CSP, HELP, REFERRER, weak

Attributes = list[tuple[str, str | None]]


def is_mine(file: SourceFile) -> bool:
    return file.suffix in (".html", ".htm", ".j2", ".jinja", ".jinja2") and "<" in file.text()


def scan(file: SourceFile) -> Iterator[Finding]:
    page = _Page(file)
    page.feed(file.text())
    yield from page.findings


class _Page(HTMLParser):
    def __init__(self, file: SourceFile) -> None:
        super().__init__()
        self.file = file
        self.findings: list[Finding] = []

    def handle_starttag(self, tag: str, attrs: Attributes) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "meta" and "http-equiv" in given:
            self._policy(given["http-equiv"], given.get("content", ""))
        elif tag in ("script", "link", "iframe") and _address(tag, given):
            self._loaded(tag, given)
        elif tag == "form" and given.get("action", "").startswith("http://"):
            self._add(
                "form-over-http",
                "medium",
                f"the form sends its fields in the clear to {given['action']}",
                "CWE-319",
            )

    def _policy(self, name: str, content: str) -> None:
        header = next((known for known in (CSP, REFERRER) if known.lower() == name.lower()), None)
        for problem, severity in weak(header, content) if header else ():
            self._add(f"{name.lower()}-weak", severity, f"the page's {header} {problem}", "CWE-693")
        if header == CSP and "frame-ancestors" in content:
            message = "browsers ignore frame-ancestors in a meta tag: send it as a header"
            self._add("frame-ancestors-ignored", "low", message, "CWE-1021")

    def _loaded(self, tag: str, given: dict[str, str]) -> None:
        address = _address(tag, given)
        if address.startswith("http://"):
            self._add(
                "loaded-over-http", "medium", f"{tag} is loaded over plain HTTP from {address}", "CWE-319"
            )
        is_foreign = address.startswith(("https://", "//")) and tag != "iframe"
        if is_foreign and "integrity" not in given:
            message = f"{tag} from {address} has no integrity: whoever owns that host runs code here"
            self._add("no-integrity", "low", message, "CWE-353")

    def _add(self, rule: str, severity: str, message: str, cwe: str) -> None:
        line = self.getpos()[0]
        self.findings.append(
            Finding(
                kind="header",
                rule=f"html/{rule}",
                severity=severity,
                confidence="high",
                file=self.file.name,
                line=line,
                message=message,
                excerpt=excerpt_of(self.file.line(line)),
                cwe=cwe,
                help=HELP,
            )
        )


def _address(tag: str, given: dict[str, str]) -> str:
    if tag == "link":
        return given.get("href", "") if given.get("rel", "") == "stylesheet" else ""
    return given.get("src", "")
