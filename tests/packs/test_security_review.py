"""code-reviewer makes one comment of what several tools say, and ranks."""

import importlib.util
import sys
from pathlib import Path
from typing import Any

from tests.packs.agent_process import run, write_tree
from tests.packs.conftest import Chain
from tests.packs.expectations import PACK


def comment_at(shop: Chain, file: str, line: int, title: str) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = [
        item
        for item in shop.review["comments"]
        if (item["file"], item["line"], item["title"]) == (file, line, title)
    ]
    return found


def test_one_problem_seen_by_three_tools_is_one_comment(shop: Chain) -> None:
    comment = comment_at(shop, "shop/app.py", 17, "Secret in the source")

    rules = [source["rule"] for source in comment["sources"]]
    assert rules == ["detect-secrets/aws-access-key", "bandit/B105", "ruff/S105"]
    assert comment["excerpt"] == 'aws_secret_access_key = "********"'


def test_comments_are_ranked_worst_first(shop: Chain) -> None:
    severities = [comment["severity"] for comment in shop.review["comments"]]

    assert severities == sorted(severities, key=["high", "medium", "low"].index)
    assert [comment["rank"] for comment in shop.review["comments"]] == [*range(1, len(severities) + 1)]


def test_ruff_adds_what_the_scanners_do_not_look_for(shop: Chain) -> None:
    comment = comment_at(shop, "shop/accounts.py", 20, "Undefined name")

    assert (comment["severity"], comment["fix"]) == ("medium", "manual")


def test_the_scanner_that_looked_closer_decides_the_severity(shop: Chain) -> None:
    tame = comment_at(shop, "shop/app.py", 37, "Command goes through a shell")
    wild = comment_at(shop, "shop/app.py", 38, "Command goes through a shell")

    assert (tame["severity"], wild["severity"]) == ("low", "high")


def test_files_are_summed_up_worst_first(shop: Chain) -> None:
    first = shop.review["by_file"][0]

    assert first["file"] == "shop/app.py"
    assert first["total"] == first["high"] + first["medium"] + first["low"]


def test_reviews_what_there_is_when_checks_were_skipped_or_failed(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {"a.py": "import os\n"})

    answer = run("code-reviewer", out=tmp_path, source=str(tree), scan=None, licenses={}, headers={})

    assert [comment["title"] for comment in answer["comments"]] == ["Unused import"]
    assert answer["fixable"] == 1


def test_a_password_stays_hidden_when_the_scanner_has_no_result(tmp_path: Path) -> None:
    password = "correct-horse" + "-staple"
    tree = write_tree(tmp_path / "tree", {"a.py": f'PASSWORD = "{password}"\n'})

    answer = run("code-reviewer", out=tmp_path, source=str(tree), scan=None)

    assert [comment["title"] for comment in answer["comments"]] == ["Password in the source"]
    assert password not in str(answer) + Path(answer["details"]).read_text()


def test_the_settings_of_the_tree_cannot_switch_the_review_off(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "a.py": "import os\n",
        "ruff.toml": 'exclude = ["*.py"]\n',
        "pyproject.toml": '[tool.ruff.lint]\nselect = []\nignore = ["F401"]\n',
    }
    answer = run("code-reviewer", out=tmp_path, source=str(write_tree(tmp_path / "tree", files)))

    assert answer["counts"]["total"] == 1


def test_promises_only_fixes_that_the_patcher_knows() -> None:
    promised = _module("code-reviewer", "comments").FIXABLE
    python = _module("patcher", "python_fixes").FIXES
    nginx = _module("patcher", "nginx_fixes").RULES

    assert promised == {*python, *nginx}


def _module(agent: str, name: str) -> Any:
    """A module of an agent, loaded beside those of the same names that other agents have."""
    folder = PACK / "agents" / agent
    spec = importlib.util.spec_from_file_location(f"{agent}.{name}", folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    before = {*sys.modules}
    sys.path.insert(0, str(folder))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(folder))
        for loaded in {*sys.modules} - before:
            if str(getattr(sys.modules[loaded], "__file__", "")).startswith(str(folder)):
                del sys.modules[loaded]
    return module
