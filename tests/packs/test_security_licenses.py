"""license-checker judges licenses by a policy, and says honestly what it does not know."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.packs.agent_process import attempt, run, write_tree
from tests.packs.conftest import Chain
from tests.packs.expectations import LICENSES


def check(tree: Path, tmp_path: Path, allowed: list[str] | None = None) -> dict[str, Any]:
    return run("license-checker", out=tmp_path / "out", source=str(tree), allowed=allowed)


def verdicts_of_tags(texts: list[str], tmp_path: Path, allowed: list[str] | None = None) -> dict[str, str]:
    files = {f"{n}.py": f"# SPDX-License-Identifier: {text}\n" for n, text in enumerate(texts)}
    tree = write_tree(tmp_path / f"tree-{len(texts)}-{allowed}", {**files})
    return {row["license"]: row["verdict"] for row in check(tree, tmp_path, allowed)["items"]}


def test_judges_the_planted_licenses(shop: Chain) -> None:
    judged = {(row["kind"], row["name"], row["license"], row["verdict"]) for row in shop.licenses["items"]}

    assert {*LICENSES} <= judged
    assert shop.licenses["verdicts"] == {"allowed": 5, "review": 0, "denied": 1, "unknown": 3}
    assert [found["severity"] for found in shop.licenses["findings"]] == ["high", "low", "low", "low"]


def test_reads_spdx_expressions(tmp_path: Path) -> None:
    expected = {
        "MIT": "allowed",
        "MIT OR GPL-3.0-only": "allowed",
        "MIT AND GPL-3.0-only": "denied",
        "Apache-2.0 WITH LLVM-exception": "allowed",
        "(MIT OR GPL-2.0-only) AND BSD-3-Clause": "allowed",
        "AGPL-3.0-or-later": "denied",
        "Not-A-License": "unknown",
        "Apache-2.0+": "allowed",
        "Apache-2.0+ AND LicenseRef-Ours": "denied",
        "MIT OR LicenseRef-Ours": "allowed",
        "MIT+ OR Not-A-License": "unknown",
    }

    assert verdicts_of_tags([*expected], tmp_path) == expected


def test_the_allow_list_of_the_input_replaces_the_usual_one(tmp_path: Path) -> None:
    verdicts = verdicts_of_tags(["GPL-3.0-or-later", "MIT"], tmp_path, ["GPL-3.0-or-later"])

    assert verdicts == {"GPL-3.0-or-later": "allowed", "MIT": "denied"}


def test_a_misspelled_allow_list_is_refused_with_the_wrong_entry(tmp_path: Path) -> None:
    request = {"source": str(write_tree(tmp_path / "tree", {})), "allowed": ["MIT", "Apache-2"]}
    (tmp_path / "tree").mkdir(exist_ok=True)

    ended = attempt("license-checker", request, out=tmp_path)

    assert ended.code == 1
    assert "Apache-2" in ended.answer["error"]["message"]
    assert "MIT" not in ended.answer["error"]["message"]


def test_a_whole_license_text_is_recognised_and_its_ambiguity_told(tmp_path: Path) -> None:
    gpl = Path("/usr/share/common-licenses/GPL-3")
    if not gpl.exists():
        pytest.skip("this machine has no copy of the GPL")
    tree = write_tree(
        tmp_path / "tree", {"COPYING": gpl.read_text(), "LICENSE.txt": "All rights reserved.\n"}
    )

    by_name = {row["name"]: row for row in check(tree, tmp_path)["items"]}

    assert by_name["COPYING"]["license"] == "GPL-3.0-only or GPL-3.0-or-later"
    assert by_name["COPYING"]["verdict"] == "denied"
    assert by_name["LICENSE.txt"]["verdict"] == "unknown"


def test_dependencies_take_their_license_from_copies_in_the_tree(tmp_path: Path) -> None:
    manifest = json.dumps({"dependencies": {"chart": "1", "old-style": "1", "gone": "1"}})
    tree = write_tree(
        tmp_path / "tree",
        {
            "package.json": manifest,
            "node_modules/chart/package.json": '{"license": "GPL-2.0-only"}',
            "node_modules/old-style/package.json": '{"license": {"type": "ISC"}}',
            "Cargo.toml": '[package]\nname = "x"\nlicense = "MIT"\n[dependencies]\nserde = "1"\n',
            "vendor/serde/Cargo.toml": '[package]\nlicense = "MIT/Apache-2.0"\n',
            "go.mod": "module example.com/x\n\nrequire (\n\tgithub.com/a/b v1.2.3\n)\n",
        },
    )

    verdicts = {row["name"]: row["verdict"] for row in check(tree, tmp_path)["items"]}

    assert verdicts == {
        "chart": "denied",
        "old-style": "allowed",
        "gone": "unknown",
        "x": "allowed",
        "serde": "allowed",
        "github.com/a/b": "unknown",
    }


def test_every_kind_of_python_manifest_is_read_and_a_name_counts_once(tmp_path: Path) -> None:
    pyproject = (
        '[project]\nname = "own"\nlicense = "MIT"\ndependencies = ["PyYAML>=6", "own-plugin"]\n'
        '[project.optional-dependencies]\nx = ["requests[socks]"]\n[dependency-groups]\ndev = ["pytest"]\n'
    )
    requirements = (
        "pyyaml==6.0 \\\n    --hash=sha256:00\n-r other.txt\nhttpx ; python_version > '3'  # a client\n"
    )
    plugin = '[project]\nname = "own_plugin"\nlicense = "MIT"\n'
    files: dict[str, str | bytes] = {
        "pyproject.toml": pyproject,
        "requirements-dev.txt": requirements,
        "plugin/pyproject.toml": plugin,
    }

    rows = check(write_tree(tmp_path / "tree", files), tmp_path)["items"]

    needed = sorted(row["name"].lower() for row in rows if row["kind"] == "dependency")
    assert needed == ["httpx", "pytest", "pyyaml", "requests"]
    assert all(
        "in the checker's environment" in row["evidence"] for row in rows if row["kind"] == "dependency"
    )


def test_a_manifest_that_cannot_be_read_does_not_stop_the_check(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {"package.json": "[1", "pyproject.toml": "= 1", "LICENSE": "x"})

    assert [row["name"] for row in check(tree, tmp_path)["items"]] == ["LICENSE"]


POLICY = """
allow: [MIT, "BSD-*", GPL-2.0-only WITH Classpath-exception-2.0]
review: [MPL-2.0, "LGPL-*"]
deny: ["GPL-*"]
default: review
exceptions:
  - {package: excepted.py, reason: Never shipped, expires: 2999-01-31}
  - {package: expired.py, license: GPL-3.0-only, reason: Was to be replaced, expires: 2020-01-31}
  - {package: other.py, license: MPL-2.0, reason: For another license, expires: 2999-01-31}
"""
JUDGED = {
    "a.py": ("MIT", "allowed"),
    "b.py": ("GPL-3.0-only OR BSD-2-Clause", "allowed"),
    "c.py": ("MPL-2.0 AND MIT", "review"),
    "d.py": ("MPL-2.0 AND GPL-3.0-only", "denied"),
    "e.py": ("GPL-2.0-only WITH Classpath-exception-2.0", "allowed"),
    "f.py": ("EUPL-1.2", "review"),
    "excepted.py": ("GPL-3.0-or-later", "allowed"),
    "expired.py": ("GPL-3.0-only", "denied"),
    "other.py": ("GPL-2.0-only", "denied"),
}


def test_a_policy_of_the_tree_has_lists_a_default_and_exceptions_that_end(tmp_path: Path) -> None:
    files = {name: f"# SPDX-License-Identifier: {text}\n" for name, (text, _) in JUDGED.items()}
    tree = write_tree(tmp_path / "tree", {**files, "license-policy.yaml": POLICY})

    answer = check(tree, tmp_path)

    rows = {row["name"]: row for row in answer["items"]}
    assert {name: row["verdict"] for name, row in rows.items()} == {
        name: verdict for name, (_, verdict) in JUDGED.items()
    }
    assert rows["excepted.py"]["evidence"].endswith("excepted until 2999-01-31: Never shipped")
    assert rows["expired.py"]["evidence"].endswith("its exception ended on 2020-01-31")
    assert answer["policy"]["from"] == "license-policy.yaml"


def test_the_inputs_policy_goes_before_that_of_the_tree(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path / "tree",
        {"a.py": "# SPDX-License-Identifier: MIT\n", "license-policy.yaml": "allow: [MIT]\n"},
    )
    (tmp_path / "strict.yaml").write_text("deny: [MIT]\n")

    answer = run(
        "license-checker", out=tmp_path, source=str(tree), policy=str(tmp_path / "strict.yaml"), allowed=[]
    )

    assert answer["verdicts"]["denied"] == 1


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        ("alow: [MIT]", "unknown key 'alow'; did you mean 'allow'?"),
        ("exceptions: [{package: p, reason: r}]", "exceptions[0]: expires: expected a day"),
        (
            "exceptions: [{package: p, reason: r, expires: 2027-03-31T00:00:00Z}]",
            "exceptions[0]: expires: expected a day",
        ),
        ("exceptions: [{package: p, reason: r, license: 5, expires: 2027-03-31}]", "exceptions[0]: license:"),
        ("default: [deny]", "default: expected deny, review or allow"),
        ("deny: [GPL-3]", "deny: expected SPDX identifiers, and these are none: GPL-3"),
    ],
)
def test_a_wrong_policy_is_refused_with_its_place(policy: str, said: str, tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {"license-policy.yaml": policy})

    ended = attempt("license-checker", {"source": str(tree)}, out=tmp_path)

    assert said in ended.answer["error"]["message"]


def test_a_policy_may_use_old_names_and_references_of_its_own(tmp_path: Path) -> None:
    """An entry that no expression ever matches would decide nothing, in silence."""
    texts = ["GPL-3.0", "GPL-3.0-only", "GPL-2.0+", "LicenseRef-Ours", "LicenseRef-Theirs", "Zlib"]
    files = {f"{n}.py": f"# SPDX-License-Identifier: {text}\n" for n, text in enumerate(texts)}
    policy = "deny: [GPL-3.0, GPL-2.0+]\nreview: [LicenseRef-Ours]\ndefault: allow\n"

    items = run(
        "license-checker",
        out=tmp_path,
        source=str(write_tree(tmp_path / "tree", {**files, "license-policy.yaml": policy})),
    )["items"]

    assert {row["license"]: row["verdict"] for row in items} == {
        "GPL-3.0-only": "denied",
        "GPL-2.0-or-later": "denied",
        "LicenseRef-Ours": "review",
        "LicenseRef-Theirs": "allowed",
        "Zlib": "allowed",
    }
