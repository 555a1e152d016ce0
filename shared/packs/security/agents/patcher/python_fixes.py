"""Fixes in Python code, made on the syntax tree so that the rest of the file keeps its shape."""

import re
import shlex
from collections.abc import Callable, Iterable, Sequence

import libcst as cst
from calls import Draft, Site, sites_of
from outcome import Fixed, Left, Wanted

# A hash near one of these may protect something: calling it "not for security" would hide the problem.
_SENSITIVE = re.compile(r"passw|pwd|secret|token|credential|signature|hmac|auth|salt|otp", re.IGNORECASE)
_PLAIN_COMMAND = re.compile(r"[A-Za-z0-9_@%+:,./= -]+")
_SHELL_BUILTINS = {
    "cd", "export", "source", ".", "exit", "eval", "set", "unset", "alias", "ulimit", "umask", "wait", "read",
    "exec", "command", "type", "trap", "shift",
}  # fmt: skip
_SUBPROCESS = {f"subprocess.{name}" for name in ("run", "call", "check_call", "check_output", "Popen")}
_CLIENTS = ("requests.", "httpx.")
_AS_WRITTEN = cst.PartialParserConfig(default_newline="\n")  # other line ends are kept as they are
_MODULE = cst.Module([], default_newline="\n")


class Unfit(Exception):
    """The call cannot be changed without changing what it means. The message says why."""


Change = Callable[[Site, cst.Call], "cst.BaseExpression | None"]


def fix(text: str, wanted: Sequence[Wanted]) -> tuple[str, list[Fixed], list[Left]]:
    """The changed text, what was fixed, and what was left with the reason."""
    asked = [item for item in wanted if item.rule in FIXES]
    try:
        sites = sites_of(text, lines={item.line for item in asked})
    except (SyntaxError, ValueError, RecursionError):
        return text, [], [Left(item, "the file cannot be parsed") for item in wanted]
    fixer = _Fixer(text)
    for site in sites:
        fixer.fix(site, [item for item in asked if site.first <= item.line <= site.last])
    return fixer.draft.text(), fixer.fixed, fixer.left(asked)


class _Fixer:
    def __init__(self, text: str) -> None:
        self.draft = Draft(text)
        self.fixed: list[Fixed] = []
        self.reasons: dict[Wanted, str] = {}

    def fix(self, site: Site, wanted: Sequence[Wanted]) -> None:
        """Apply to one call every change that is asked for in its lines and knows it."""
        before = self.draft.current(site.start, site.end)
        node = result = cst.parse_expression(before, _AS_WRITTEN)
        for item in wanted:
            if isinstance(result, cst.Call):
                result = self._changed(item, site, result)
        if result is not node:
            self.draft.replace(site.start, site.end, _MODULE.code_for_node(result))

    def _changed(self, item: Wanted, site: Site, node: cst.Call) -> cst.BaseExpression:
        change, description = FIXES[item.rule]
        try:
            result = change(site, node)
        except Unfit as reason:
            self.reasons[item] = str(reason)
            return node
        if result is None:
            return node
        self.fixed.append(Fixed(item, description))
        return result

    def left(self, wanted: Sequence[Wanted]) -> list[Left]:
        done = {fixed.wanted for fixed in self.fixed}
        unknown = "no call in the line that this fix knows how to change"
        return [Left(item, self.reasons.get(item, unknown)) for item in wanted if item not in done]


def _argument(node: cst.Call, name: str) -> cst.Arg | None:
    return next((arg for arg in node.args if arg.keyword is not None and arg.keyword.value == name), None)


def _with(node: cst.Call, name: str, value: str) -> cst.Call:
    """The call with the keyword argument set, replaced in place or added at the end."""
    expression = cst.parse_expression(value)
    if (present := _argument(node, name)) is not None:
        return node.with_deep_changes(present, value=expression)
    equal = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
    return node.with_changes(
        args=[*node.args, cst.Arg(value=expression, keyword=cst.Name(name), equal=equal)]
    )


def _without(node: cst.Call, kept: Iterable[cst.Arg]) -> cst.Call:
    """The call with only some of its arguments. What is last now ends as what was last."""
    args = list(kept)
    if args and args[-1] is not node.args[-1]:
        args[-1] = args[-1].with_changes(comma=node.args[-1].comma)
    return node.with_changes(args=args)


def _is(node: cst.Arg | None, value: str) -> bool:
    return node is not None and isinstance(node.value, cst.Name) and node.value.value == value


def _safe_load(call: Site, node: cst.Call) -> cst.Call | None:
    if "yaml.load" not in call.names:
        return None
    if not isinstance(node.func, cst.Attribute):
        raise Unfit("load is imported by name; import safe_load instead")
    kept = [arg for index, arg in enumerate(node.args) if index == 0 or _keyword(arg) not in ("", "Loader")]
    return _without(node, kept).with_changes(func=node.func.with_changes(attr=cst.Name("safe_load")))


def _keyword(arg: cst.Arg) -> str:
    return arg.keyword.value if arg.keyword else ""


def _timeout(call: Site, node: cst.Call) -> cst.Call | None:
    if not any(name.startswith(_CLIENTS) for name in call.names):
        return None
    if any(arg.star for arg in node.args):
        raise Unfit("**options may hold a timeout")
    has_one = _argument(node, "timeout") is not None and not _is(_argument(node, "timeout"), "None")
    return None if has_one else _with(node, "timeout", "10")


def _verify(call: Site, node: cst.Call) -> cst.Call | None:
    if not any(name.startswith(_CLIENTS) for name in call.names) or not _is(
        _argument(node, "verify"), "False"
    ):
        return None
    return _without(node, [arg for arg in node.args if _keyword(arg) != "verify"])


def _not_for_security(call: Site, node: cst.Call) -> cst.Call | None:
    if not call.names & {"hashlib.md5", "hashlib.sha1"}:
        return None
    if match := _SENSITIVE.search(call.around):
        raise Unfit(
            f"the code around speaks of '{match[0]}': it may need a real hash, so a person has to look"
        )
    return _with(node, "usedforsecurity", "False")


def _named_file(call: Site, node: cst.Call) -> cst.BaseExpression | None:
    if "tempfile.mktemp" not in call.names:
        return None
    if not isinstance(node.func, cst.Attribute):
        raise Unfit("mktemp is imported by name; import NamedTemporaryFile instead")
    names = ("suffix", "prefix", "dir")
    made = node.with_changes(func=node.func.with_changes(attr=cst.Name("NamedTemporaryFile")), args=[])
    for index, arg in enumerate(node.args):
        made = _with(made, _keyword(arg) or names[index], cst.Module([]).code_for_node(arg.value))
    return cst.Attribute(value=_with(made, "delete", "False"), attr=cst.Name("name"))


def _no_debugger(call: Site, node: cst.Call) -> cst.Call | None:
    is_run = isinstance(node.func, cst.Attribute) and node.func.attr.value == "run"
    return _with(node, "debug", "False") if is_run and _is(_argument(node, "debug"), "True") else None


def _no_shell(call: Site, node: cst.Call) -> cst.Call | None:
    if not call.names & _SUBPROCESS or not _is(_argument(node, "shell"), "True"):
        return None
    words = _words(node.args[0])
    listed = cst.parse_expression("[" + ", ".join(f'"{word}"' for word in words) + "]")
    kept = [node.args[0].with_changes(value=listed), *node.args[1:]]
    return _without(node.with_changes(args=kept), [arg for arg in kept if _keyword(arg) != "shell"])


def _words(first: cst.Arg) -> list[str]:
    """The words of a command that means the same without a shell."""
    value = first.value.evaluated_value if isinstance(first.value, cst.SimpleString) else None
    if first.keyword is not None or not isinstance(value, str):
        raise Unfit("the command is put together at run time; pass its words as a list")
    words = shlex.split(value) if _PLAIN_COMMAND.fullmatch(value) else []
    if not words or words[0] in _SHELL_BUILTINS or "=" in words[0]:
        raise Unfit("the command uses what only a shell can do")
    return words


def _cookie_flags(call: Site, node: cst.Call) -> cst.Call | None:
    if not isinstance(node.func, cst.Attribute) or node.func.attr.value != "set_cookie":
        return None
    for name, value in (("secure", "True"), ("httponly", "True"), ("samesite", '"Lax"')):
        node = node if _argument(node, name) else _with(node, name, value)
    return node


FIXES: dict[str, tuple[Change, str]] = {
    "bandit/B113": (_timeout, "timeout=10 added"),
    "bandit/B201": (_no_debugger, "debug=True became debug=False"),
    "bandit/B306": (_named_file, "tempfile.mktemp became NamedTemporaryFile(delete=False).name"),
    "bandit/B324": (_not_for_security, "usedforsecurity=False added: the hash is no protection here"),
    "bandit/B501": (_verify, "verify=False removed"),
    "bandit/B506": (_safe_load, "yaml.load became yaml.safe_load"),
    "bandit/B602": (_no_shell, "the command became a list, without a shell"),
    "python/cookie-flags": (_cookie_flags, "secure, httponly and samesite added"),
}
