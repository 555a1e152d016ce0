"""What an agent may see and touch, in every tier that confines."""

import json
import os
from pathlib import Path

import pytest

from agent_runner.sandbox.bwrap import BwrapSandbox
from agent_runner.sandbox.port import Sandbox
from penstock.contracts.errors import InvalidInput
from tests.sandbox.programs import environment, finish, python, run, shell, spec_for

pytestmark = pytest.mark.sandbox


async def test_reads_its_input_and_writes_its_output(sandbox: Sandbox, folder: Path) -> None:
    spec = spec_for(folder, "/bin/sh", "-c", 'cat "$0"/question; cat; echo 42 > "$1"/answer')
    view = sandbox.view(spec)
    spec = spec_for(folder, *spec.command, view.input, view.output)
    (spec.work_folder / "in" / "question").write_text("what? ")

    outcome = await run(sandbox, spec, b"from stdin")

    assert outcome.out == "what? from stdin"
    assert (spec.work_folder / "out" / "answer").read_text() == "42\n"
    assert outcome.exit.code == 0


async def test_starts_in_its_own_folder(sandbox: Sandbox, folder: Path) -> None:
    spec = shell(folder, "pwd; cat greeting")
    (spec.agent_folder / "greeting").write_text("hello")

    outcome = await run(sandbox, spec)

    assert outcome.out == f"{sandbox.view(spec).agent}\nhello"


async def test_writing_to_usr_is_refused(sandbox: Sandbox, folder: Path) -> None:
    outcome = await run(sandbox, shell(folder, "touch /usr/penstock-test"))

    assert outcome.exit.code == 1
    assert "/usr/penstock-test" in outcome.error


async def test_the_hosts_files_cannot_be_read(sandbox: Sandbox, folder: Path) -> None:
    secret = folder.parent / f"{folder.name}-secret"
    secret.write_text("secret")
    secret.chmod(0o644)

    outcome = await run(sandbox, shell(folder, f"cat {secret}"))

    assert (outcome.out, outcome.exit.code) == ("", 1)


async def test_the_environment_holds_only_what_was_given(sandbox: Sandbox, folder: Path) -> None:
    with environment(PENSTOCK_TEST_SECRET="secret"):
        outcome = await run(sandbox, spec_for(folder, "/usr/bin/env", environment={"GIVEN": "value"}))

    names = {line.partition("=")[0] for line in outcome.out.splitlines()}
    assert names - {"PWD"} == {"PATH", "HOME", "TMPDIR", "LANG", "GIVEN"}


@pytest.mark.parametrize("name", ["LD_PRELOAD", "LD_LIBRARY_PATH", "BASH_ENV", "IFS", "a b"])
async def test_a_variable_that_could_subvert_the_set_up_is_refused(
    bwrap: BwrapSandbox, folder: Path, name: str
) -> None:
    with pytest.raises(InvalidInput, match="environment"):
        await bwrap.start(shell(folder, "true", environment={name: "/agent/evil.so"}))


async def test_no_descriptor_of_the_runner_is_open(bwrap: BwrapSandbox, folder: Path) -> None:
    leak = os.open("/etc/passwd", os.O_RDONLY)
    os.set_inheritable(leak, True)
    source = "import os, json; print(json.dumps([int(n) for n in os.listdir('/proc/self/fd')]))"

    outcome = await run(bwrap, python(folder, source))

    os.close(leak)
    assert json.loads(outcome.out) == [0, 1, 2, 3]  # 3 is the listing itself


async def test_a_socket_to_the_host_cannot_be_opened(sandbox: Sandbox, folder: Path, listener: int) -> None:
    source = f"import socket; socket.create_connection(('127.0.0.1', {listener}), 2)"
    # Tier landlock runs as a user that cannot reach an interpreter under a closed home; node is in /usr.
    node = f"require('net').connect({listener}, '127.0.0.1').on('connect', () => console.log('connected'))"
    reachable = sandbox.tier == "bwrap"
    spec = python(folder, source) if reachable else spec_for(folder, "/usr/bin/node", "-e", node)

    outcome = await run(sandbox, spec)

    assert outcome.exit.code != 0
    assert "connected" not in outcome.out


async def test_the_program_is_nobody_on_the_host(bwrap: BwrapSandbox, folder: Path) -> None:
    outcome = await run(
        bwrap, shell(folder, "id -u; grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status; id -un")
    )

    uid, *rights, name = outcome.out.split("\n")[:-1]
    assert int(uid) > 65536
    assert [line.split()[1] for line in rights] == ["0" * 16, "0" * 16, "1"]
    assert name == "agent"


async def test_slots_have_users_of_their_own(bwrap: BwrapSandbox, folder: Path) -> None:
    first = await run(bwrap, shell(folder, "id -u", slot=0))
    second = await run(bwrap, shell(folder, "id -u", slot=1))

    assert int(second.out) == int(first.out) + 1


async def test_a_slot_beyond_the_uids_is_refused(bwrap: BwrapSandbox, folder: Path) -> None:
    with pytest.raises(InvalidInput, match="slot: 4096 is out of range"):
        await bwrap.start(shell(folder, "true", slot=4096))


async def test_sandboxes_may_share_a_work_folder(sandbox: Sandbox, folder: Path) -> None:
    write = 'echo mine > "$TMPDIR"/note; echo ready; read line; cat "$TMPDIR"/note; ls "$TMPDIR"'
    first = await sandbox.start(shell(folder, write, slot=7))
    await first.stdout.readline()
    (folder / "work" / "out").chmod(0o1777)

    second = await run(sandbox, shell(folder, 'touch "$TMPDIR"/other', slot=8))
    outcome = await finish(first, b"go\n")

    assert second.exit.code == 0, second.error
    assert outcome.out == "mine\nnote\n"
    assert (folder / "work" / "out").stat().st_mode & 0o7777 == 0o1777


async def test_a_folder_made_after_the_start_can_be_given(bwrap: BwrapSandbox, folder: Path) -> None:
    spec = shell(folder, "read line; echo done > /out/attempt/result")
    process = await bwrap.start(spec)
    made = spec.work_folder / "out" / "attempt"

    made.mkdir(mode=0o700)
    bwrap.give(spec, made)
    outcome = await finish(process, b"go\n")

    assert outcome.exit.code == 0, outcome.error
    assert (made / "result").read_text() == "done\n"


async def test_the_gateways_socket_can_be_reached(bwrap: BwrapSandbox, folder: Path, gateway: Path) -> None:
    source = (
        "import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/penstock.sock');"
        "s.sendall(b'ping'); print(s.recv(4).decode())"
    )

    outcome = await run(bwrap, python(folder, source, socket=gateway))

    assert outcome.out == "ping\n", outcome.error
