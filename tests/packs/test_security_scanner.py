"""security-scanner finds what is planted, hides what is secret, and says what it left out."""

import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.packs.agent_process import attempt, details, run, write_tree
from tests.packs.conftest import Chain
from tests.packs.expectations import CODE, LEAKS, PACK, SECRETS, places

TOKEN = "gh" + "p_" + "A1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p6Q7r8"


def scan(tree: Path, tmp_path: Path) -> dict[str, Any]:
    return run("security-scanner", out=tmp_path / "out", source=str(tree))


def test_finds_planted_code_and_secrets_at_their_lines(shop: Chain) -> None:
    found = places(shop.scan["findings"])

    assert {*CODE} <= found
    assert {*LEAKS} <= found
    assert shop.scan["counts"]["total"] == len(shop.scan["findings"])


def test_never_tells_a_secret(shop: Chain) -> None:
    told = json.dumps(shop.scan) + Path(shop.scan["details"]).read_text()

    assert all(secret not in told for secret in SECRETS)
    assert 'AWS_ACCESS_KEY_ID = \\"AKIA********\\"' in told


def test_ids_survive_lines_added_above(tmp_path: Path) -> None:
    code = "import yaml\n\n\ndef load(text):\n    return yaml.load(text, yaml.Loader)\n"
    before = scan(write_tree(tmp_path / "one", {"a.py": code}), tmp_path)["findings"]
    after = scan(write_tree(tmp_path / "two", {"a.py": "# A comment.\n\n" + code}), tmp_path)["findings"]

    assert [found["id"] for found in after] == [found["id"] for found in before]
    assert after[0]["line"] == before[0]["line"] + 2


def test_the_same_problem_twice_has_two_ids(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {"a.py": "import pickle\npickle.loads(x)\npickle.loads(x)\n"})

    assert len({found["id"] for found in scan(tree, tmp_path)["findings"]}) == 2


def test_scans_every_text_file_and_skips_foreign_ones(tmp_path: Path) -> None:
    line = f'token = "{TOKEN}"\n'
    tree = write_tree(
        tmp_path / "tree",
        {
            "notes.md": line,
            "src/app.ts": line,
            ".git/config": line,
            "node_modules/x/index.js": line,
            "env/pyvenv.cfg": "",
            "env/lib/x.py": line,
            "picture.dat": b"\0" + line.encode(),
            "big.txt": line * 40_000,
        },
    )

    answer = scan(tree, tmp_path)

    assert {found["file"] for found in answer["findings"]} == {"notes.md", "src/app.ts"}
    assert answer["files"] == {"scanned": 2, "skipped": {"binary": 1, "folder": 3, "too large": 1}}


def test_does_not_follow_a_link_out_of_the_tree(tmp_path: Path) -> None:
    write_tree(tmp_path / "outside", {"secret.txt": f'token = "{TOKEN}"\n'})
    tree = write_tree(tmp_path / "tree", {"a.txt": "nothing\n"})
    (tree / "link.txt").symlink_to(tmp_path / "outside/secret.txt")
    (tree / "folder").symlink_to(tmp_path / "outside")

    answer = scan(tree, tmp_path)

    assert answer["findings"] == []
    assert answer["files"]["skipped"] == {"folder": 1, "link": 1}


def test_references_and_placeholders_are_no_secrets(tmp_path: Path) -> None:
    lines = [
        'password = os.environ["PASSWORD"]',
        'password = "${DB_PASSWORD}"',
        'password = "changeme"  # pragma: allowlist secret',
        'api_key = "<your-key>"',
        'labels = {"password": "Passwords"}',
    ]
    tree = write_tree(
        tmp_path / "tree", {"a.js": "\n".join(lines), "b.yaml": "password: ${X}\nsecret: true\n"}
    )

    assert scan(tree, tmp_path)["findings"] == []


def test_a_private_key_is_found_whatever_the_file(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {"id": "-----BEGIN RSA " + "PRIVATE KEY-----\nMIIE\n"})

    (found,) = scan(tree, tmp_path)["findings"]

    assert (found["rule"], found["severity"]) == ("detect-secrets/private-key", "high")


def test_ten_thousand_findings_stay_below_the_output_limit(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {"a.py": "import pickle\n" + "pickle.loads(b'')\n" * 10_000})

    answer = scan(tree, tmp_path)

    assert answer["counts"]["total"] == 10_000
    assert answer["truncated"] == 10_000 - len(answer["findings"]) > 0
    assert len(details(answer)["findings"]) == 10_000


def test_code_that_cannot_be_parsed_is_named(tmp_path: Path) -> None:
    answer = scan(
        write_tree(tmp_path / "tree", {"broken.py": "def (:\n", "odd.py": b"x = '\xff'\n"}), tmp_path
    )

    assert "broken.py" in answer["unparsable"]


def test_what_was_switched_off_is_counted(tmp_path: Path) -> None:
    answer = scan(write_tree(tmp_path / "tree", {"a.py": "eval(input())  # nosec\n"}), tmp_path)

    assert (answer["findings"], answer["suppressed"]) == ([], 1)


def test_an_empty_tree_has_no_findings(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()

    assert scan(tmp_path / "tree", tmp_path)["counts"] == {"total": 0, "high": 0, "medium": 0, "low": 0}


def test_a_source_that_is_no_folder_is_refused_with_its_field(tmp_path: Path) -> None:
    ended = attempt("security-scanner", {"source": str(tmp_path / "absent")}, out=tmp_path)

    assert ended.code == 1
    assert ended.answer["error"]["message"].startswith("source: 'absent' is not a folder")
    assert ended.answer["error"]["class"] == "validation"


def test_a_part_of_the_work_that_fails_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are scanned in several processes; one that dies must not look like clean files."""
    monkeypatch.syspath_prepend(str(PACK / "agents/security-scanner"))
    parallel = importlib.import_module("parallel")
    monkeypatch.setattr(parallel.os, "sched_getaffinity", lambda _: {0, 1, 2})

    def work(numbers: list[int]) -> int:
        if 5 in numbers:
            raise ValueError("five")
        return sum(numbers)

    assert sorted(parallel.in_parts(work, [1, 2, 3, 4])) == [2, 3, 5]
    assert parallel.in_parts(work, []) == [0]
    with pytest.raises(RuntimeError, match="ended with 1"):
        parallel.in_parts(work, [1, 5, 2])
