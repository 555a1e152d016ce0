"""patcher's diff applies, resolves what it says, and leaves alone what needs a person."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.packs.agent_process import run, write_tree
from tests.packs.conftest import Chain
from tests.packs.expectations import FIXED, LEFT, places


def patched(source: Path, answer: dict[str, Any], copy: Path) -> Path:
    """A copy of the tree after `git apply`."""
    shutil.copytree(source, copy, symlinks=True)
    for command in (["git", "init", "-q"], ["git", "apply", "--whitespace=nowarn", answer["patch"]]):
        subprocess.run(command, cwd=copy, check=True, capture_output=True)
    return copy


def fix(source: Path, out: Path) -> dict[str, Any]:
    checks = {
        "scan": run("security-scanner", out=out, source=str(source)),
        "headers": run("header-checker", out=out, source=str(source)),
    }
    review = run("code-reviewer", out=out, source=str(source), **checks)
    return run("patcher", out=out, source=str(source), review=review)


def test_fixes_what_is_planted_with_proof_and_names_the_findings(shop: Chain) -> None:
    proven = [item for item in shop.patch["fixes"] if item["proven"]]

    assert {*FIXED} == places(proven)
    known = {found["id"] for part in (shop.scan, shop.headers) for found in part["findings"]}
    assert all(known & {*item["findings"]} for item in proven if not item["rule"].startswith("ruff/"))


def test_leaves_to_a_person_what_no_machine_can_decide(shop: Chain) -> None:
    reasons = {(item["file"], item["line"]): item["reason"] for item in shop.patch["left"]}

    assert places(shop.patch["left"]) == {*LEFT}
    assert "'passw'" in reasons["shop/accounts.py", 11]
    assert "put together at run time" in reasons["shop/app.py", 38]


def test_git_applies_the_patch_and_a_scan_no_longer_finds_it(shop: Chain, tmp_path: Path) -> None:
    copy = patched(shop.source, shop.patch, tmp_path / "copy")

    scan = run("security-scanner", out=tmp_path, source=str(copy))
    headers = run("header-checker", out=tmp_path, source=str(copy))

    after = [found for part in (scan, headers) for found in part["findings"]]
    before = [found for part in (shop.scan, shop.headers) for found in part["findings"]]
    resolved = {identity for item in shop.patch["fixes"] for identity in item["findings"]}
    assert not resolved & {found["id"] for found in after}
    assert len(after) == len(before) - sum(found["id"] in resolved for found in before)
    assert [found["line"] for found in after if found["rule"] == "bandit/B602"] == [37]


CHANGED = (
    ("import yaml\nx = yaml.load(f)\n", "import yaml\nx = yaml.safe_load(f)\n"),
    (
        "import yaml\nx = yaml.load(\n    f,\n    Loader=yaml.Loader,\n)\n",
        "import yaml\nx = yaml.safe_load(\n    f,\n)\n",
    ),
    (
        "import requests as r\nx = r.get(u, timeout=None)\n",
        "import requests as r\nx = r.get(u, timeout=10)\n",
    ),
    (
        "from hashlib import sha1\nx = sha1(data)\n",
        "from hashlib import sha1\nx = sha1(data, usedforsecurity=False)\n",
    ),
    (
        'import tempfile\nx = tempfile.mktemp(".png", dir=here)\n',
        'import tempfile\nx = tempfile.NamedTemporaryFile(suffix=".png", dir=here, delete=False).name\n',
    ),
    (
        'import subprocess\nx = subprocess.check_output("/bin/ls -l /srv", shell=True, text=True)\n',
        'import subprocess\nx = subprocess.check_output(["/bin/ls", "-l", "/srv"], text=True)\n',
    ),
)
UNTOUCHED = (
    'import subprocess\nsubprocess.run("ls | wc -l", shell=True)\n',
    'import subprocess\nsubprocess.run("cd /srv", shell=True)\n',
    'import subprocess\nsubprocess.run("A=1 env", shell=True)\n',
    'import subprocess\nsubprocess.run(f"ls {x}", shell=True)\n',
    "import hashlib\ntoken = hashlib.md5(data).hexdigest()\n",
    "from yaml import load\nx = load(f)\n",
    "import requests\nx = requests.get(u, **options)\n",
)


def test_changes_only_the_call(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {f"{n}.py": before for n, (before, _) in enumerate(CHANGED)})

    answer = fix(tree, tmp_path / "out")

    copy = patched(tree, answer, tmp_path / "copy")
    assert [(copy / f"{n}.py").read_text() for n in range(len(CHANGED))] == [after for _, after in CHANGED]
    assert [item["proven"] for item in answer["fixes"]] == [True] * len(CHANGED)


def test_leaves_calls_whose_meaning_would_change(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {f"{n}.py": code for n, code in enumerate(UNTOUCHED)})

    answer = fix(tree, tmp_path / "out")

    assert (answer["patch"], answer["fixes"]) == (None, [])
    # bandit does not see 5.py.
    assert {"0.py", "1.py", "2.py", "3.py", "4.py", "6.py"} == {item["file"] for item in answer["left"]}
    assert all(item["reason"] for item in answer["left"])


def test_line_ends_and_a_missing_last_one_stay_as_they_are(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / "tree",
        {
            "crlf.py": b"import yaml\r\nx = yaml.load(f)\r\ny = 1\r\n",
            "bare.py": b"import yaml\nx = yaml.load(f)",
        },
    )
    answer = fix(tree, tmp_path / "out")
    copy = patched(tree, answer, tmp_path / "copy")

    assert (copy / "crlf.py").read_bytes() == b"import yaml\r\nx = yaml.safe_load(f)\r\ny = 1\r\n"
    assert (copy / "bare.py").read_bytes() == b"import yaml\nx = yaml.safe_load(f)"


def test_inherited_nginx_headers_are_kept_when_a_server_gets_its_own(tmp_path: Path) -> None:
    nginx = (
        "http {\n    add_header X-Frame-Options DENY always;\n    server {\n        listen 80;\n"
        "        location /a {\n            add_header X-A 1;\n        }\n    }\n}\n"
    )
    tree = write_tree(tmp_path / "tree", {"nginx.conf": nginx})

    text = (patched(tree, fix(tree, tmp_path / "out"), tmp_path / "copy") / "nginx.conf").read_text()

    assert text.count('add_header X-Frame-Options "DENY" always;') == 2
    after = run("header-checker", out=tmp_path, source=str(tmp_path / "copy"))
    assert {found["rule"] for found in after["findings"]} == {"headers/content-security-policy-missing"}


def test_files_that_cannot_be_patched_are_left_with_a_reason(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / "tree",
        {
            "odd\tname.py": "import yaml\nx = yaml.load(f)\n",
            "latin.py": b"# \xe4\nimport yaml\nx = yaml.load(f)\n",
        },
    )

    answer = fix(tree, tmp_path / "out")

    assert answer["patch"] is None
    assert {item["file"] for item in answer["left"]} >= {"odd\tname.py"}


def test_a_review_cannot_make_it_read_outside_the_tree(tmp_path: Path) -> None:
    write_tree(tmp_path, {"outside.py": "import yaml\nx = yaml.load(f)\n"})
    tree = write_tree(tmp_path / "tree", {"a.py": ""})
    source = {"rule": "bandit/B506", "finding": "1", "message": "", "data": {}}
    comment = {"file": "../outside.py", "line": 2, "title": "t", "fix": "automatic", "sources": [source]}

    answer = run("patcher", out=tmp_path, source=str(tree), review={"comments": [comment]})

    assert (answer["patch"], answer["counts"]["left"]) == (None, 1)


def test_nothing_to_fix_makes_no_patch(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {"a.py": "x = 1\n"})

    answer = run("patcher", out=tmp_path, source=str(tree), review={})

    assert answer["patch"] is None
    assert answer["counts"] == {"files": 0, "fixes": 0, "proven": 0, "left": 0}
