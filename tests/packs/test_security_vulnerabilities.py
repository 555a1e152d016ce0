"""vulnerability-checker compares what lock files pin with a snapshot of osv.dev, and says what it could not compare."""

import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from guard.advisories import Affected, is_affected

from tests.packs.agent_process import attempt, details, run, write_tree
from tests.packs.expectations import PACK, SHOP

SAMPLE = PACK / "samples/osv/invented.jsonl"
Json = dict[str, Any]


def advisory(identity: str, ecosystem: str, name: str, *events: Json, **more: Any) -> Json:
    affected = {"package": {"ecosystem": ecosystem, "name": name}}
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}] if events else []
    return {
        "id": identity,
        "modified": "2026-11-01T00:00:00Z",
        "affected": [{**affected, "ranges": ranges, "versions": more.pop("versions", [])}],
        **more,
    }


def snapshot(path: Path, records: list[Json]) -> Path:
    path.write_text("\n".join(json.dumps(record) for record in records))
    return path


def check(tree: Path, osv: Path, tmp_path: Path) -> Json:
    return run("vulnerability-checker", out=tmp_path / "out", source=str(tree), osv=str(osv))


def test_one_finding_for_each_vulnerability_of_the_sample_whatever_its_names(tmp_path: Path) -> None:
    answer = check(SHOP, SAMPLE, tmp_path)

    (found,) = answer["findings"]
    assert (found["file"], found["line"], found["severity"]) == ("requirements.txt", 4, "high")
    assert found["rule"] == "osv/CVE-0000-0001"
    assert found["data"]["aliases"] == ["EXAMPLE-2026-0001", "EXAMPLE-2026-0002"]
    # 1.2 ends this one, and begins another.
    assert (found["data"]["fixed"], found["data"]["upgrade"]) == ("1.2", "1.3.1")
    assert {item["name"] for item in details(answer)["unchecked"]} >= {"requests", "PyYAML"}
    assert (answer["snapshot"]["records"], answer["snapshot"]["withdrawn"]) == (5, 1)


LOCKS = {
    "requirements.txt": "a==1.0  # pinned\nb>=2\nc==1.*\nA-Dash_ed==3.0 ; python_version > '3'\n",
    "poetry.lock": '[[package]]\nname = "poem"\nversion = "1.0"\n',
    "uv.lock": '[[package]]\nname = "mine"\nversion = "1"\nsource = { virtual = "." }\n\n'
    '[[package]]\nname = "violet"\nversion = "1.0"\nsource = { registry = "r" }\n',
    "Pipfile.lock": '{"default": {\n  "pip-file": {\n    "version": "==1.0"}}}',
    "v3/package-lock.json": '{"packages": {"": {"version": "1"},\n"node_modules/x/node_modules/@s/three": {\n'
    '"version": "1.0.0"}, "node_modules/l": {"link": true}}}',
    "v1/package-lock.json": '{"dependencies": {\n"one": {\n"version": "1.0.0", "dependencies": {\n'
    '"inner": {\n"version": "1.0.0"}}}}}',
    "yarn1/yarn.lock": '# yarn lockfile v1\n\n"@s/yarn@^1.0.0", "@s/yarn@^1.1.0":\n  version "1.0.0"\n',
    "yarn2/yarn.lock": '__metadata:\n  version: 8\n\n"berry@npm:^1.0.0":\n  version: 1.0.0\n\n'
    '"own@workspace:.":\n  version: 1.0.0\n',
    "pnpm-lock.yaml": "packages:\n  /five/1.0.0:\n    dev: true\n  '@s/nine@1.0.0(peer@2.0.0)': {}\n",
    "Cargo.lock": '[[package]]\nname = "own"\nversion = "1.0.0"\n\n[[package]]\nname = "crate"\n'
    'version = "1.0.0"\nsource = "registry+r"\n',
    "go.mod": "module own\n\nrequire (\n\texample.org/go v1.0.0\n\texample.org/far v1.0.0 // indirect\n)\n",
    "sum/go.sum": "example.org/sum v1.0.0 h1:x=\nexample.org/sum v1.0.0/go.mod h1:y=\n",
}
PINNED = {
    "PyPI": ("a", "a.dash.ed", "poem", "violet", "pip-file"),
    "npm": ("@s/three", "one", "inner", "@s/yarn", "berry", "five", "@s/nine"),
    "crates.io": ("crate",),
    "Go": ("example.org/go", "example.org/far", "example.org/sum"),
}


def test_reads_every_lock_file_and_nothing_of_the_project_itself(tmp_path: Path) -> None:
    named = [(ecosystem, name) for ecosystem, names in PINNED.items() for name in names]
    owned = [("PyPI", "mine"), ("npm", "own"), ("npm", "l"), ("crates.io", "own"), ("PyPI", "b")]
    records = [
        advisory(f"X-{n}", *package, {"introduced": "0"}) for n, package in enumerate([*named, *owned])
    ]

    answer = check(
        write_tree(tmp_path / "tree", {**LOCKS}), snapshot(tmp_path / "osv.jsonl", records), tmp_path
    )

    found = {item["rule"] for item in answer["findings"]}
    assert found == {f"osv/X-{n}" for n in range(len(named))}
    assert answer["checked"]["total"] == len(named)
    lines = {item["file"]: item["line"] for item in answer["findings"]}
    assert (lines["poetry.lock"], lines["yarn1/yarn.lock"], lines["v3/package-lock.json"]) == (3, 4, 3)
    assert {item["name"]: item["reason"] for item in answer["unchecked"]} == {
        "b": "not pinned: >=2",
        "c": "not pinned: ==1.*",
    }


def test_go_modules_count_as_they_are_built(tmp_path: Path) -> None:
    """What is excluded is not in the program; what is replaced is there as its replacement."""
    text = """module example.org/own
require example.org/kept v1.0.0
require (
\texample.org/forked v1.0.0
\texample.org/raised v1.0.0 // indirect
\texample.org/local v1.0.0
)
exclude (
\texample.org/excluded v1.0.0
)
exclude example.org/excluded v1.1.0
replace example.org/forked => example.org/fork v1.1.0
replace (
\texample.org/raised v1.0.0 => example.org/raised v1.2.0
\texample.org/kept v0.9.0 => example.org/raised v1.2.0
\texample.org/local => ../local
)
"""
    names = ("kept", "forked", "fork", "raised", "local", "excluded")
    records = [advisory(f"X-{name}", "Go", f"example.org/{name}", {"introduced": "0"}) for name in names]

    answer = check(
        write_tree(tmp_path / "tree", {"go.mod": text}), snapshot(tmp_path / "osv.jsonl", records), tmp_path
    )

    assert {(item["excerpt"], item["line"]) for item in answer["findings"]} == {
        ("example.org/kept 1.0.0", 2),
        ("example.org/fork 1.1.0", 4),
        ("example.org/raised 1.2.0", 5),
    }


RANGES: tuple[tuple[str, tuple[Json, ...], tuple[str, ...], bool], ...] = (
    ("1.0", ({"introduced": "0"}, {"fixed": "1.0"}), (), False),
    ("1.0rc1", ({"introduced": "0"}, {"fixed": "1.0"}), (), True),
    ("1.0", ({"introduced": "0"}, {"last_affected": "1.0"}), (), True),
    ("1.1", ({"introduced": "0"}, {"last_affected": "1.0"}), (), False),
    ("1.10", ({"introduced": "1.9"}, {"fixed": "1.11"}), (), True),
    ("2.5", ({"introduced": "1"}, {"fixed": "2"}, {"introduced": "3"}, {"fixed": "4"}), (), False),
    ("3.5", ({"fixed": "4"}, {"introduced": "3"}, {"fixed": "2"}, {"introduced": "1"}), (), True),
    ("1.0", (), ("1.0.0",), True),
    ("1.0", (), ("1.0.1",), False),
)


def test_evaluates_ranges_as_the_osv_schema_says(tmp_path: Path) -> None:
    records = [
        advisory(f"X-{n}", "PyPI", f"package-{n}", *events, versions=list(versions))
        for n, (_, events, versions, _) in enumerate(RANGES)
    ]
    pins = "".join(f"package-{n}=={version}\n" for n, (version, *_) in enumerate(RANGES))

    answer = check(
        write_tree(tmp_path / "tree", {"requirements.txt": pins}),
        snapshot(tmp_path / "osv.jsonl", records),
        tmp_path,
    )

    expected = {f"osv/X-{n}" for n, (*_, is_affected) in enumerate(RANGES) if is_affected}
    assert {item["rule"] for item in answer["findings"]} == expected


@pytest.mark.parametrize(
    ("ecosystem", "version", "listed"),
    [
        ("PyPI", "2.0.0+cu118", "2.0.0"),
        ("npm", "2.0.0+build.1", "2.0.0"),
        ("crates.io", "2.0.0", "2.0.0+wasi"),
        ("Go", "2.0.0+incompatible", "v2.0.0"),
    ],
)
def test_a_build_of_an_affected_version_is_affected(ecosystem: str, version: str, listed: str) -> None:
    def says(**affected: Any) -> bool:
        part = msgspec.convert(affected, Affected)
        return is_affected([part], ecosystem=ecosystem, version=version)

    def until(event: str, end: str) -> Json:
        return {"ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {event: end}]}]}

    assert says(versions=[listed])
    assert says(**until("last_affected", listed))
    assert not says(**until("fixed", listed))
    assert not says(versions=["2.0.1"], **until("last_affected", "1.9.9"))


def test_severity_is_the_newest_vectors_score_else_the_databases_word(tmp_path: Path) -> None:
    two, three = "AV:N/AC:L/Au:N/C:P/I:N/A:N", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
    records = [
        advisory("X-1", "PyPI", "p", {"introduced": "0"}, severity=[{"type": "CVSS_V2", "score": two}]),
        advisory(
            "X-2",
            "PyPI",
            "p",
            {"introduced": "0"},
            severity=[{"type": "CVSS_V2", "score": two}, {"type": "CVSS_V3", "score": three}],
        ),
        advisory("X-3", "PyPI", "p", {"introduced": "0"}, database_specific={"severity": "LOW"}),
        advisory(
            "X-4", "PyPI", "p", {"introduced": "0"}, severity=[{"type": "CVSS_V3", "score": "no vector"}]
        ),
        advisory("MAL-5", "PyPI", "p", {"introduced": "0"}, severity=None),
    ]

    answer = check(
        write_tree(tmp_path / "tree", {"requirements.txt": "p==1\n"}),
        snapshot(tmp_path / "osv.jsonl", records),
        tmp_path,
    )

    rated = {item["data"]["id"]: (item["severity"], item["data"]["score"]) for item in answer["findings"]}
    assert rated == {
        "X-1": ("medium", 5.0),
        "X-2": ("high", 9.8),
        "X-3": ("low", None),
        "X-4": ("medium", None),
        "MAL-5": ("high", None),
    }


def test_takes_a_zip_a_list_and_a_folder_and_counts_what_is_broken(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {"requirements.txt": "p==1\n", "package.json": "{}"})
    of = [advisory(f"X-{n}", "PyPI", "p", {"introduced": "0"}) for n in range(5)]
    folder = tmp_path / "osv"
    write_tree(folder, {"list.json": json.dumps(of[:2]), "one.json": json.dumps(of[2], indent=1)})
    write_tree(folder, {"answer.json": json.dumps({"vulns": [of[3]]}), "broken.json": "{"})
    with zipfile.ZipFile(folder / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("X-4.json", json.dumps(of[4]))

    answer = check(tree, folder, tmp_path)

    assert {item["rule"] for item in answer["findings"]} == {f"osv/X-{n}" for n in range(5)}
    assert (answer["snapshot"]["records"], answer["snapshot"]["unreadable"]) == (5, 1)


def test_a_damaged_part_of_the_snapshot_does_not_take_the_rest_with_it(tmp_path: Path) -> None:
    """An encrypted entry, one whose checksum is wrong, one that would be 9 MB, JSON nested without end."""
    folder = tmp_path / "osv"
    of = [json.dumps(advisory(f"X-{n}", "PyPI", "p", {"introduced": "0"})) for n in range(4)]
    deep = '{"id": "deep", "other": ' + "[" * 100_000
    write_tree(folder, {"lines.jsonl": f"\ufeff\n{of[0]}\n{deep}\n{of[1]}\n"})
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        for name, text in (
            ("sum", of[2]),
            ("secret", of[2]),
            ("../../good", of[3]),
            ("bomb", " " * 9_000_000),
        ):
            archive.writestr(f"{name}.json", text)
    packed = bytearray((folder / "all.zip").read_bytes())
    packed[packed.index(b"sum.json") + len("sum.json")] ^= 1
    packed[packed.rindex(b"secret.json") - 46 + 8] |= 1
    (folder / "all.zip").write_bytes(packed)

    answer = check(write_tree(tmp_path / "tree", {"requirements.txt": "p==1\n"}), folder, tmp_path)

    assert {item["rule"] for item in answer["findings"]} == {"osv/X-0", "osv/X-1", "osv/X-3"}
    assert (answer["snapshot"]["records"], answer["snapshot"]["unreadable"]) == (3, 4)
    assert not (tmp_path / "good.json").exists()


def test_never_passes_over_what_it_cannot_judge(tmp_path: Path) -> None:
    """An ecosystem that the snapshot lacks, a version that is none, a lock file that is broken."""
    files: dict[str, str | bytes] = {
        "requirements.txt": "p==1\nodd===not/a/version\n",
        "package-lock.json": '{"packages": {"node_modules/n": {"version": "1.0.0"}}}',
        "poetry.lock": "[[package",
    }
    now = datetime.now(UTC).isoformat()
    records = [{**advisory("X-1", "PyPI", "other", {"introduced": "0"}), "modified": now}]

    answer = check(write_tree(tmp_path / "tree", files), snapshot(tmp_path / "osv.jsonl", records), tmp_path)

    assert answer["findings"] == []
    assert {"n": "the snapshot has no record of npm"}.items() <= {
        item["name"]: item["reason"] for item in answer["unchecked"]
    }.items()
    assert answer["unreadable"] == ["poetry.lock"]
    assert (answer["snapshot"]["age_days"], answer["snapshot"]["is_stale"]) == (0, False)


def test_tells_every_line_and_lock_file_that_it_cannot_read(tmp_path: Path) -> None:
    """As tools and people write them: old versions, addresses, a file of PowerShell, categories of pipenv."""
    files: dict[str, str | bytes] = {
        "requirements.txt": "\ufeffp==1\npytz==2004d\nhttps://me:hidden@example.org/d-1.0.whl\n-r other.txt\n"
        "e @ git+https://hidden@example.org/e\n",
        "windows-requirements.txt": "p==1\n".encode("utf-16"),
        "Pipfile.lock": '{"_meta": {}, "docs": {"d": {"version": "==1"}, "g": {"git": "https://x", "ref": "a"}}}',
        "pylock.dev.toml": '[[packages]]\nname = "d"\nversion = "2"\n',
        "package-lock.json": "[" * 100_000,
        "poetry.lock": "x = " + "[" * 100_000,
    }
    records = [advisory(f"X-{name}", "PyPI", name, {"introduced": "0"}) for name in ("p", "d")]

    answer = check(write_tree(tmp_path / "tree", files), snapshot(tmp_path / "osv.jsonl", records), tmp_path)

    found = {(item["file"], item["excerpt"]) for item in answer["findings"]}
    assert found == {("requirements.txt", "p 1"), ("Pipfile.lock", "d 1"), ("pylock.dev.toml", "d 2")}
    assert {(item["name"], item["line"]) for item in answer["unchecked"]} == {
        ("pytz==2004d", 2),
        ("https://example.org/d-1.0.whl", 3),
        ("e", 5),
        ("g", 1),
    }
    assert "hidden" not in json.dumps(answer)
    assert set(answer["unreadable"]) == {"windows-requirements.txt", "package-lock.json", "poetry.lock"}


@pytest.mark.parametrize("content", ["", '{"a": 1}'])
def test_a_file_without_records_is_refused_with_what_was_expected(content: str, tmp_path: Path) -> None:
    (tmp_path / "osv.json").write_text(content)
    request = {"source": str(SHOP), "osv": str(tmp_path / "osv.json")}

    ended = attempt("vulnerability-checker", request, out=tmp_path)

    assert ended.code == 1
    assert ended.answer["error"]["class"] == "validation"
    assert "no OSV record in 'osv.json'; expected an all.zip of osv.dev" in ended.answer["error"]["message"]


def test_the_patcher_raises_the_pinned_version_with_proof(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / "tree",
        {
            "requirements.txt": "# kept\nsome-package-nobody-has[x] == 1.0 ; python_version > '3'  # why\n",
            "hashed/requirements.txt": "some-package-nobody-has==1.0 --hash=sha256:00\n",
            "dev-requirements.txt": "another-package-nobody-has==0.9\n",
        },
    )
    vulnerabilities = check(tree, SAMPLE, tmp_path)
    review = run("code-reviewer", out=tmp_path, source=str(tree), vulnerabilities=vulnerabilities)

    answer = run("patcher", out=tmp_path, source=str(tree), review=review, vulnerabilities=vulnerabilities)

    assert [(fix["file"], fix["proven"]) for fix in answer["fixes"]] == [("requirements.txt", True)]
    assert (
        "+some-package-nobody-has[x] == 1.3.1 ; python_version > '3'  # why"
        in Path(answer["patch"]).read_text()
    )
    reasons = {item["file"]: item["reason"] for item in answer["left"]}
    assert "hashes" in reasons["hashed/requirements.txt"]
    assert "no later version" in reasons["dev-requirements.txt"]
