"""What a program's end means: its output, or the failure that its exit code, answer and stderr tell of."""

import re
import signal
from typing import Any

import msgspec

from agent_runner.sandbox.port import Exit
from penstock.contracts.agent import EXIT_TRY_AGAIN
from penstock.contracts.failure import ErrorClass, Failure

MEMORY_FULL_SHARE = 0.95  # a SIGKILL nobody owns to, this close to the memory limit, was the kernel's
_SHOWN_CHARS = 200
_MESSAGE_LINES = 20  # of stderr, when nothing better is known

_PYTHON_STACK = re.compile(
    r"Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)+(?P<type>[\w.]+)(?:: (?P<message>.*))?"
)
_NODE_STACK = re.compile(
    r"^(?:Uncaught )?(?P<type>[A-Z]\w*): (?P<message>.*)\n(?: {4}at .+\n?)+", re.MULTILINE
)


def output_or_failure(exit_: Exit, *, stdout: bytes, stderr: str, memory_bytes_max: int) -> bytes | Failure:
    """The output if the program ended well and printed JSON, else why it did not."""
    failure = _sandbox_failure(exit_, stderr, memory_bytes_max)
    if failure is not None:
        return failure
    if exit_.code == 0:
        return _output(stdout)
    said = _said(stdout)
    failure = failure_of(said) if said else _failure_from_stderr(exit_, stdout, stderr)
    if exit_.code == EXIT_TRY_AGAIN:
        # The agent's exit code is its word: it stays retryable whatever the kind of error.
        return msgspec.structs.replace(failure, error_class=ErrorClass.TEMPORARY, retryable=True).cut()
    return failure.cut()


def failure_of(said: dict[str, Any]) -> Failure:
    """An agent's `{"error": {…}}` as a failure; what it leaves out is filled in."""
    stack = said.get("stack")
    retryable = said.get("retryable")
    return Failure(
        type=str(said.get("type") or "Error")[:_SHOWN_CHARS],
        message=str(said.get("message") or said.get("type") or "the agent gave no message"),
        error_class=_class_named(said.get("class")),
        stack=str(stack) if stack else None,
        retryable=retryable if isinstance(retryable, bool) else None,
    ).cut()


def _class_named(name: object) -> ErrorClass:
    try:
        return ErrorClass(str(name))
    except ValueError:
        return ErrorClass.ERROR


def _sandbox_failure(exit_: Exit, stderr: str, memory_bytes_max: int) -> Failure | None:
    """What the sandbox did, or the kernel; None when the program ended by itself."""
    if not exit_.started:
        message = f"the sandbox could not be set up: {_last_lines(stderr) or 'it gave no reason'}"
        return Failure("SandboxFailed", message, ErrorClass.TEMPORARY).cut()
    if exit_.breach:
        return Failure("LimitReached", exit_.breach, ErrorClass.RESOURCE)
    if exit_.signal is None:
        return None
    name = _signal_name(exit_.signal)
    refused = {
        signal.SIGSYS: "it used a system call that the sandbox refuses",
        signal.SIGXCPU: "it used more processor time than allowed",
        signal.SIGXFSZ: "it wrote a file larger than allowed",
    }.get(signal.Signals(exit_.signal))
    if exit_.signal == signal.SIGKILL and (exit_.memory_bytes or 0) >= memory_bytes_max * MEMORY_FULL_SHARE:
        refused = "it used all of its memory"
    message = f"killed by {name}" + (f": {refused}" if refused else f"\n{_last_lines(stderr)}".rstrip())
    return Failure("Killed", message, ErrorClass.RESOURCE if refused else ErrorClass.ERROR).cut()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _output(stdout: bytes) -> bytes | Failure:
    text = stdout.strip()
    if not text:
        return _no_json("it printed nothing on stdout")
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        shown = text[:_SHOWN_CHARS].decode("utf-8", "replace")
        return _no_json(f"{error}; stdout begins with: {shown}")
    return text


def _no_json(reason: str) -> Failure:
    return Failure("InvalidOutput", f"the output is no JSON document: {reason}", ErrorClass.VALIDATION)


def _said(stdout: bytes) -> dict[str, Any] | None:
    """The `error` of the agent's answer. An agent that also prints may have it on its last line."""
    text = stdout.strip()
    for candidate in (text, text.rpartition(b"\n")[2]):
        try:
            document = msgspec.json.decode(candidate)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if isinstance(document, dict) and isinstance(document.get("error"), dict):
            said: dict[str, Any] = document["error"]
            return said
    return None


def _failure_from_stderr(exit_: Exit, stdout: bytes, stderr: str) -> Failure:
    """What the agent did not say itself, its language's runtime often did."""
    match = _last(_PYTHON_STACK, stderr) or _last(_NODE_STACK, stderr)
    if match:
        type_, message = match["type"].rpartition(".")[2], match["message"] or match["type"]
        return Failure(type_, message, _class_of_type(type_), stack=match[0])
    shown = _last_lines(stderr) or _last_lines(stdout.decode("utf-8", "replace"))
    message = f"exit code {exit_.code}" + (f"\n{shown}" if shown else "")
    return Failure("ExitCode", message)


def _class_of_type(name: str) -> ErrorClass:
    known = {
        "MemoryError": ErrorClass.RESOURCE,
        "TimeoutError": ErrorClass.TIMEOUT,
        "ConnectionError": ErrorClass.CONNECTION,
        "ConnectionRefusedError": ErrorClass.CONNECTION,
        "ConnectionResetError": ErrorClass.CONNECTION,
    }
    return known.get(name, ErrorClass.ERROR)


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    return max(pattern.finditer(text), key=lambda match: match.start(), default=None)


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-_MESSAGE_LINES:])
