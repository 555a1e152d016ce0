"""Cookies that Python web applications set without their protective flags."""

import ast
import warnings
from collections.abc import Iterator
from typing import Any

from guard.finding import Finding, excerpt_of
from guard.tree import SourceFile

Data = dict[str, Any]

FLAGS = {"secure": "True", "httponly": "True", "samesite": '"Lax"'}
_SETTINGS = {"SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SESSION_COOKIE_HTTPONLY", "SECURE_SSL_REDIRECT"}


def is_mine(file: SourceFile) -> bool:
    return file.suffix == ".py" and ("set_cookie" in file.text() or "_COOKIE_" in file.text())


def scan(file: SourceFile) -> Iterator[Finding]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            module = ast.parse(file.text())
    except (SyntaxError, ValueError, RecursionError):
        return  # the scanner reports what cannot be parsed
    for node in ast.walk(module):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "set_cookie"
        ):
            yield from _call(node, file=file)
        elif (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant)
            and node.value.value is False
        ):
            yield from _switched_off(node, file=file)


def _call(node: ast.Call, *, file: SourceFile) -> Iterator[Finding]:
    if not isinstance(node.func, ast.Attribute) or node.func.attr != "set_cookie":
        return
    given = {keyword.arg for keyword in node.keywords}
    missing = [flag for flag in FLAGS if flag not in given]
    if missing and None not in given:  # None: **options may hold them
        message = f"the cookie is set without {', '.join(missing)}"
        data: Data = {"server": "python", "set": {flag: FLAGS[flag] for flag in missing}}
        yield _finding("python/cookie-flags", message, node.lineno, file=file, data=data)


def _switched_off(node: ast.Assign, *, file: SourceFile) -> Iterator[Finding]:
    if not isinstance(node.value, ast.Constant) or node.value.value is not False:
        return
    for target in node.targets:
        name = target.id if isinstance(target, ast.Name) else _key(target)
        if name in _SETTINGS:
            yield _finding(
                "python/cookie-setting", f"{name} is switched off", node.lineno, file=file, data={}
            )


def _key(target: ast.expr) -> object:
    is_item = isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Constant)
    return target.slice.value if is_item else None  # type: ignore[attr-defined]


def _finding(rule: str, message: str, line: int, *, file: SourceFile, data: Data | None = None) -> Finding:
    return Finding(
        kind="header",
        rule=rule,
        severity="low" if file.is_test else "medium",
        confidence="high",
        file=file.name,
        line=line,
        message=message,
        excerpt=excerpt_of(file.line(line)),
        cwe="CWE-614",
        help="https://owasp.org/www-community/controls/SecureCookieAttribute",
        data=data or {},
    )
