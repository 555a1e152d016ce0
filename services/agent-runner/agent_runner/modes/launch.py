"""What a mode tells the sandbox to start: command, environment, folders. The same for all modes."""

import compileall
import os
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import penstock
from agent_runner.modes.port import Attempt
from agent_runner.sandbox.port import SandboxSpec
from penstock.contracts.agent import AgentManifest
from penstock.contracts.frames import MODEL_KEY, OUTPUT_LIMIT_VARIABLE, TRACEPARENT

PYTHON_NAMES = ("python", "python3")
AGENTS, LIBRARY = "agents", "lib"  # folders of a pack: <pack>/agents/<agent>, <pack>/lib
LIBRARY_VARIABLES = ("PENSTOCK_LIB", "PYTHONPATH")
GATEWAY_PORT = 3129  # on the sandbox's own loopback, for agents that may call models
SCRIPTED = (*PYTHON_NAMES, "sh", "bash", "node")  # the word after these is a file, unless it is an option
AGENT_FOLDER = "/agent"  # as the sandbox sees it
_BIN = Path(sys.prefix) / "bin"  # tools that are installed beside the runner, such as ruff
_PATH = f"{_BIN}:/usr/local/bin:/usr/bin:/bin"


def spec_of(manifest: AgentManifest, *, work_folder: Path, slot: int, socket: Path | None) -> SandboxSpec:
    """The spec without any attempt's variables."""
    library = library_of(manifest)
    return SandboxSpec(
        command=command_of(manifest),
        environment={
            "PATH": _PATH,
            "PYTHONDONTWRITEBYTECODE": "1",
            OUTPUT_LIMIT_VARIABLE: str(manifest.sandbox.output_bytes),
            **{name: str(folder) for folder in library for name in LIBRARY_VARIABLES},
        },
        limits=manifest.sandbox,
        slot=slot,
        agent_folder=Path(manifest.folder),
        work_folder=work_folder,
        socket=socket,
        runtime_folders=(*runtime_folders(), *library),
        gateway_port=GATEWAY_PORT if manifest.models else None,
    )


def library_of(manifest: AgentManifest) -> tuple[Path, ...]:
    """`lib` of the agent's pack, if it has one: code that its agents share, read-only and importable."""
    folder = Path(manifest.folder)
    library = folder.parent.parent / LIBRARY
    return (library.resolve(),) if folder.parent.name == AGENTS and library.is_dir() else ()


def command_of(manifest: AgentManifest) -> tuple[str, ...]:
    """`python` means the runner's own interpreter, with its packages."""
    program, *rest = manifest.command
    return (sys.executable if program in PYTHON_NAMES else program, *rest)


def why_not_startable(manifest: AgentManifest) -> str:
    """What of the agent's command is not there on this machine; empty if nothing is missing."""
    program, *rest = manifest.command
    if "/" in program:
        file = Path(manifest.folder) / Path(program.replace(f"{AGENT_FOLDER}/", "", 1))
        return "" if os.access(file, os.X_OK) else f"there is no program '{program}' that may be run"
    if program not in PYTHON_NAMES and shutil.which(program, path=_PATH) is None:
        return f"there is no program '{program}' on this runner (in {_PATH})"
    script = rest[0] if rest and program in SCRIPTED else ""
    if not script or script[0] in "-/" or (Path(manifest.folder) / script).is_file():
        return ""
    return f"there is no file '{script}' in the agent's folder"


def runtime_folders() -> tuple[Path, ...]:
    """What that interpreter needs: itself, its packages, and ours if it is installed in place."""
    ours = Path(penstock.__path__[0])
    found = dict.fromkeys((Path(sys.base_prefix), Path(sys.prefix)))
    return (*found, *(() if any(ours.is_relative_to(folder) for folder in found) else (ours,)))


def variables_of(attempt: Attempt) -> dict[str, str]:
    """What the attempt is told about itself, by names without `PENSTOCK_` where they are ours."""
    order = attempt.order
    run = str(order.run)
    deadline = datetime.now(UTC) + timedelta(seconds=order.timeout_s)
    of_trace = {} if attempt.traceparent is None else {TRACEPARENT: attempt.traceparent}
    of_models = {MODEL_KEY: attempt.attempt_key} if attempt.manifest.models else {}
    return {
        **of_trace,
        **of_models,
        "RUN": run,
        "NODE": order.node,
        "ATTEMPT": str(order.attempt),
        "IDEMPOTENCY_KEY": f"{run}/{order.node}",
        "DEADLINE": deadline.isoformat(),
        "ATTEMPT_KEY": attempt.attempt_key,
        "IN": attempt.folders.seen_in,
        "OUT": attempt.folders.seen_out,
    }


def compile_ours() -> None:
    """Write the bytecode of `penstock` once: no sandbox may, so each would compile it again."""
    compileall.compile_dir(penstock.__path__[0], quiet=2)
