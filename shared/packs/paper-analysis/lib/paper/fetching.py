"""Getting a repository with git over HTTP(S): shallow, without hooks and submodules, within limits of size and time."""

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from penstock.agents import AgentError

CLONE_S_MAX = 180.0
CLONE_BYTES_MAX = (
    200 * 1024 * 1024
)  # below the sandbox's scratch: twice the tree, once packed and once as files
TRIES = 2
_LOOK_S = 0.1
_TEMPORARY = (
    "timed out",
    "timeout",
    "could not resolve",
    "502",
    "503",
    "504",
    "429",
    "early eof",
    "reset by peer",
)

# A stranger's repository must neither run anything nor lead git anywhere else.
_SETTINGS = {
    "core.hooksPath": "/dev/null",
    "core.symlinks": "false",
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "protocol.http.allow": "always",
    "http.followRedirects": "initial",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "30",
    "filter.lfs.smudge": "cat",
    "filter.lfs.required": "false",
    "submodule.recurse": "false",
    "credential.helper": "",
    "gc.auto": "0",
}


class NoGit(AgentError):
    """The runner's machine has no git."""


@dataclass(frozen=True)
class Cloned:
    folder: Path
    commit: str
    committed_at: str


@dataclass(frozen=True)
class NotCloned:
    reason: str


def clone(url: str, target: Path) -> Cloned | NotCloned:
    """The newest commit of the default branch, or why there is none. Temporary failures are tried once more."""
    if shutil.which("git") is None:
        raise NoGit(
            "there is no git on the runner's machine: install it, or give the code with -i repository=@folder"
        )
    said: str | None = ""
    for attempt in range(1, TRIES + 1):
        shutil.rmtree(target, ignore_errors=True)
        said = _run_clone(url, target, "--depth", "1")
        if said and "dumb http" in said:  # such a server can only give all of the history
            shutil.rmtree(target, ignore_errors=True)
            said = _run_clone(url, target)
        if said is None:
            return Cloned(target, *_newest(target))
        if attempt == TRIES or not any(word in said.lower() for word in _TEMPORARY):
            break
        time.sleep(1.0)
    return NotCloned(said or "")


def _run_clone(url: str, target: Path, *depth: str) -> str | None:
    """None when it worked, else what git said last, in one line."""
    settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
    shallow = (*depth, "--single-branch", "--no-tags", "--quiet", "--template=")
    words = ["git", *settings, "clone", *shallow, "--", url, str(target)]
    process = subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=_environment(),
        text=True,
        errors="replace",
        start_new_session=True,
    )
    breach = _watch(process, target)
    said = process.communicate()[1]
    if breach:
        return breach
    return None if process.returncode == 0 else _last_line(said)


def _environment() -> dict[str, str]:
    kept = (
        "PATH",
        "HOME",
        "TMPDIR",
        "LANG",
        "http_proxy",
        "https_proxy",
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "PYTHONPATH",
    )
    named = {name: os.environ[name] for name in kept if name in os.environ}
    return {**named, "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}


def _watch(process: subprocess.Popen[str], target: Path) -> str:
    """Wait for the end, or end it when it takes too much; says what it took too much of."""
    ends = time.monotonic() + CLONE_S_MAX
    while True:
        try:
            process.wait(_LOOK_S)
            return ""
        except subprocess.TimeoutExpired:
            pass
        size = size_of(target)
        if size > CLONE_BYTES_MAX or time.monotonic() > ends:
            os.killpg(process.pid, signal.SIGKILL)
            return (
                f"larger than {CLONE_BYTES_MAX:,} bytes"
                if size > CLONE_BYTES_MAX
                else f"not there after {CLONE_S_MAX:.0f} s"
            )


def size_of(folder: Path) -> int:
    total, pending = 0, [str(folder)]
    while pending:
        try:
            entries = list(os.scandir(pending.pop()))
        except OSError:
            continue  # git moves folders while we look
        for entry in entries:
            try:
                if entry.is_dir(follow_symlinks=False):
                    pending.append(entry.path)
                else:
                    total += entry.stat(follow_symlinks=False).st_size
            except OSError:
                continue
    return total


def _newest(folder: Path) -> tuple[str, str]:
    words = ["git", "-C", str(folder), "log", "-1", "--format=%H%n%cI"]
    said = subprocess.run(
        words, capture_output=True, text=True, env=_environment(), check=False
    ).stdout.split()
    return (said[0], said[1]) if len(said) == 2 else ("", "")


def _last_line(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    return (lines[-1] if lines else "git failed without a word")[:300]
