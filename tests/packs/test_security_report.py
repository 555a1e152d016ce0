"""reporter's page says everything, needs nothing from outside, and trusts nothing from the tree."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from penstock.contracts.limits import EVENT_OUTPUT_BYTES_MAX
from tests.packs.agent_process import attempt, run, write_tree
from tests.packs.conftest import Chain
from tests.packs.expectations import complaints

PARTS = ("scan", "licenses", "headers", "review", "patch")


def page_of(answer: dict[str, Any]) -> str:
    return Path(answer["path"]).read_text()


class Addresses(HTMLParser):
    """Everything that the page would load, and its open elements."""

    VOID = ("meta", "input", "br", "link", "img")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.open: list[str] = []
        self.scripts = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]
        self.scripts += tag == "script"
        self.open += [] if tag in self.VOID else [tag]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_outcome_on_the_shop_is_complete(shop: Chain) -> None:
    report = json.loads(Path(shop.report["json"]).read_text())
    patch = Path(shop.patch["patch"]).read_text()

    assert list(complaints(report=report, page=page_of(shop.report), patch=patch)) == []


def test_the_page_is_well_formed_and_loads_nothing(shop: Chain) -> None:
    page = Addresses(page_of(shop.report))

    assert page.open == []
    assert all(address.startswith("#") for address in page.loaded)
    assert "url(" not in page_of(shop.report)
    assert "default-src 'none'" in page_of(shop.report)


def test_the_diff_in_the_page_is_the_patch(shop: Chain) -> None:
    class Text(HTMLParser):
        shown, inside = "", False

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.inside = self.inside or ("id", "diff") in attrs

        def handle_endtag(self, tag: str) -> None:
            self.inside = self.inside and tag != "pre"

        def handle_data(self, data: str) -> None:
            self.shown += data if self.inside else ""

    text = Text()
    text.feed(page_of(shop.report))

    assert text.shown == Path(shop.patch["patch"]).read_text()


def test_text_from_the_tree_cannot_become_markup(tmp_path: Path) -> None:
    evil = "</style></pre><script>alert(1)</script><img src=x onerror=alert(1)>"
    found = {
        "id": "1", "kind": "code", "rule": evil, "severity": "high", "confidence": "high", "file": evil,
        "line": 1, "message": evil, "excerpt": evil, "cwe": evil, "help": None, "data": {},
    }  # fmt: skip
    write_tree(tmp_path, {"evil.patch": f"--- a/x\n+++ b/x\n@@ -1 +1 @@\n-{evil}\n+ok\n"})
    fix = {
        "rule": evil,
        "file": evil,
        "line": 1,
        "title": evil,
        "change": evil,
        "proven": True,
        "findings": [],
    }
    patch = {"patch": str(tmp_path / "evil.patch"), "fixes": [fix], "left": []}

    answer = run("reporter", out=tmp_path, scan={"findings": [found]}, patch=patch, run={"id": evil})

    page = Addresses(page_of(answer))
    assert page.scripts == 1
    assert "<img" not in page_of(answer)


def test_the_verdict_follows_the_threshold(tmp_path: Path, shop: Chain) -> None:
    medium = [found for found in shop.scan["findings"] if found["severity"] == "medium"]
    parts = {
        "scan": {"findings": medium, "files": {}},
        "licenses": {"verdicts": {}},
        "headers": {"checked": {}},
    }

    verdicts = {
        threshold: run("reporter", out=tmp_path, threshold=threshold, **parts)["verdict"]
        for threshold in ("low", "medium", "high")
    }

    assert verdicts == {"low": "fail", "medium": "fail", "high": "pass"}


def test_the_verdict_after_the_patch_counts_only_proven_fixes(tmp_path: Path, shop: Chain) -> None:
    (md5,) = [
        found for found in shop.scan["findings"] if (found["rule"], found["line"]) == ("bandit/B324", 28)
    ]
    fix = next(item for item in shop.patch["fixes"] if md5["id"] in item["findings"])
    parts = {"scan": {"findings": [md5]}, "licenses": {"verdicts": {}}, "headers": {"checked": {}}}

    proven = run("reporter", out=tmp_path, **parts, patch={"fixes": [fix]})
    unproven = run("reporter", out=tmp_path, **parts, patch={"fixes": [{**fix, "proven": False}]})

    assert (proven["verdict"], proven["verdict_after_patch"]) == ("fail", "pass")
    assert unproven["verdict_after_patch"] == "fail"


def test_a_missing_check_is_told_and_never_passes(tmp_path: Path) -> None:
    states = {"scan": "failed", "licenses": "succeeded", "headers": "skipped"}

    answer = run("reporter", out=tmp_path, scan=None, licenses={"verdicts": {}}, headers={}, states=states)

    assert answer["verdict"] == "incomplete"
    assert answer["missing"] == ["scan", "headers", "review", "patch"]
    assert "Not everything was checked" in page_of(answer)
    assert "scan failed" in page_of(answer)


def test_a_secret_in_the_patch_is_hidden_in_the_page(tmp_path: Path) -> None:
    secret = "hunter" + "2hunter2"
    hunk = f'@@ -3,2 +3,2 @@\n password = "{secret}"\n-x = yaml.load(f)\n+x = yaml.safe_load(f)\n'
    diff = f"--- a/a.py\n+++ b/a.py\n{hunk}"
    write_tree(tmp_path, {"fixes.patch": diff})
    leak = {
        "id": "1", "kind": "secret", "rule": "detect-secrets/secret-keyword", "severity": "medium",
        "line": 3, "confidence": "medium", "file": "a.py", "message": "m", "cwe": None,
        "excerpt": 'password = "********"',
    }  # fmt: skip
    fix = {
        "rule": "r",
        "file": "a.py",
        "line": 4,
        "title": "t",
        "change": "c",
        "proven": True,
        "findings": [],
    }
    patch = {"patch": str(tmp_path / "fixes.patch"), "fixes": [fix]}

    page = page_of(run("reporter", out=tmp_path, scan={"findings": [leak]}, patch=patch))

    assert secret not in page
    assert "Secrets are hidden" in page
    assert re.search(r"yaml\.safe_load\(f\)", page)


def test_an_unknown_threshold_is_refused_with_the_choices(tmp_path: Path) -> None:
    ended = attempt("reporter", {"threshold": "severe"}, out=tmp_path)

    assert ended.code == 1
    assert ended.answer["error"]["message"] == "threshold: expected one of high, medium, low, got 'severe'"


def test_the_message_stays_so_short_that_subscriptions_get_it(tmp_path: Path) -> None:
    """Lock files that cannot be read, with long names, are all it takes to make an output too long to be told."""
    age = {"is_stale": True, "age_days": 99, "newest": "2026-01-01T00:00:00Z"}
    snapshot = {**age, "records": 9, "withdrawn": 0, "unreadable": 7, "ecosystems": {}}
    unreadable = [f"{'deep/' * 40}{n}/poetry.lock" for n in range(100)]
    told = {"findings": [], "snapshot": snapshot, "unchecked_total": 3, "checked": {"total": 3}}
    told |= {"unreadable": unreadable, "unchecked": [], "counts": {}, "tools": {}}

    notes = run("reporter", out=tmp_path, vulnerabilities=told)["notes"]
    message = run("notifier", out=tmp_path, subject="s", verdict="pass", notes=[*notes, "x" * 9_000])

    assert "7 records of the OSV snapshot cannot be read." in notes
    assert any("and 90 more" in note for note in notes)
    assert len(json.dumps([notes, message])) < EVENT_OUTPUT_BYTES_MAX / 2
