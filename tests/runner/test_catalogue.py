"""Which agents a runner finds, and which of two with the same name it offers."""

from pathlib import Path

import pytest

from agent_runner.catalogue import read_catalogue


def write(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "agent.yaml").write_text(text)
    return folder


def manifest(name: str, version: str = "1.0.0") -> str:
    return f"name: {name}\nversion: {version}\ncommand: [sh]\n"


def offers(*folders: Path) -> dict[tuple[str, str], str | None]:
    return {(offer.name, offer.version): offer.error for offer in read_catalogue(folders).offers()}


def test_agents_are_found_in_agents_in_packs_and_in_folders_of_packs(tmp_path: Path) -> None:
    write(tmp_path / "top" / "alone", manifest("alone"))
    write(tmp_path / "top" / "agents" / "of-pack", manifest("of-pack"))
    write(tmp_path / "top" / "pack" / "agents" / "of-packs", manifest("of-packs"))

    assert {name for name, _ in offers(tmp_path / "top")} == {"alone", "of-pack", "of-packs"}


def test_what_an_earlier_folder_has_takes_the_place_of_a_later_ones(tmp_path: Path) -> None:
    write(tmp_path / "mine" / "scanner", manifest("scanner", "2.0.0"))
    write(tmp_path / "shipped" / "scanner", manifest("scanner"))

    assert offers(tmp_path / "mine", tmp_path / "shipped") == {("scanner", "2.0.0"): None}


def test_a_broken_replacement_is_never_silently_the_shipped_agent(tmp_path: Path) -> None:
    write(tmp_path / "mine" / "scanner", "name: scanner\n")
    write(tmp_path / "shipped" / "scanner", manifest("scanner"))

    found = offers(tmp_path / "mine", tmp_path / "shipped")

    assert list(found) == [("scanner", "?")]
    assert "command" in (found["scanner", "?"] or "")


def test_two_with_one_name_in_one_folder_are_an_error(tmp_path: Path) -> None:
    write(tmp_path / "top" / "one", manifest("scanner"))
    write(tmp_path / "top" / "two", manifest("scanner"))

    found = offers(tmp_path / "top")

    assert found["scanner", "1.0.0"] is None
    assert "already the agent in" in (found["scanner", "?"] or "")


def test_a_broken_replacement_in_a_folder_of_another_name_is_none_either(tmp_path: Path) -> None:
    write(tmp_path / "mine" / "my-scanner", "name: scanner\nversion: [\n")
    write(tmp_path / "shipped" / "scanner", manifest("scanner"))

    assert list(offers(tmp_path / "mine", tmp_path / "shipped")) == [("scanner", "?")]


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("[no-such-program, x]", "there is no program 'no-such-program' on this runner"),
        ("[python, agnet.py]", "there is no file 'agnet.py' in the agent's folder"),
        ("[./run]", "there is no program './run'"),
        ("[/agent/run]", "there is no program '/agent/run'"),
        ("[python, agent.py]", None),
        ("[python, -c, pass]", None),
        ("[sh]", None),
        ("[./agent.py]", None),
    ],
)
def test_an_agent_that_this_machine_cannot_start_is_told_before_any_attempt(
    tmp_path: Path, command: str, told: str | None
) -> None:
    folder = write(tmp_path / "top" / "one", f"name: one\nversion: 1.0.0\ncommand: {command}\n")
    (folder / "agent.py").write_text("#!/bin/sh\n")
    (folder / "agent.py").chmod(0o755)

    (error,) = offers(tmp_path / "top").values()

    assert (told or "") in (error or "")
    assert bool(error) is bool(told)


def test_an_error_has_its_line(tmp_path: Path) -> None:
    write(tmp_path / "top" / "one", "name: one\nversion: 1.0.0\ndescription: says: nothing\ncommand: [sh]\n")

    (error,) = offers(tmp_path / "top").values()

    assert "line 3: " in (error or "")
