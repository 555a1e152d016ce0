"""The agent paper-repository: gets the code of a paper, from the user or with git from the allow-list's hosts."""

import json
import tempfile
from pathlib import Path
from typing import Any

from paper.allowlist import read_allow_list
from paper.archives import is_archive, unpack
from paper.checked import NOT_ON_LIST
from paper.evidence import load_evidence
from paper.fetching import Cloned, clone
from paper.handing import file_in, hand_on, out
from paper.repositories import Repository
from paper.trees import Copied, copy_tree, only_folder

from penstock.agents import Invalid, agent, context

CANDIDATES_MAX = 3  # repositories that are tried, the likeliest first


@agent
def repository(links: dict[str, Any], repository: Path | None = None) -> dict[str, Any]:
    """The repository's tree, or `found: false` with what was tried."""
    evidence = file_in(links, "evidence", of="paper-links")
    found = _given(repository) if repository else _cloned(list(load_evidence(evidence).repositories))
    context.log(
        f"found {found['source']} {found.get('url', '')}" if found["found"] else "no repository was found"
    )
    handed = {
        key: hand_on(str(file_in(links, key, of="paper-links"))) for key in ("document", "evidence", "links")
    }
    return {**handed, **found}


def _given(repository: Path) -> dict[str, Any]:
    """What the user gave: a folder, or a zip or tar archive."""
    with tempfile.TemporaryDirectory() as folder:
        tree = repository
        if not repository.is_dir():
            if not is_archive(repository):
                raise Invalid(f"repository: '{repository.name}' is neither a folder nor a zip or tar archive")
            unpack(repository, Path(folder, "tree"))
            tree = only_folder(Path(folder, "tree"))
        return _found(copy_tree(tree, out("repository")), source="input", tried=[])


def _cloned(candidates: list[Repository]) -> dict[str, Any]:
    allowed = read_allow_list(Path(__file__).parent)
    tried: list[dict[str, Any]] = []
    for candidate in candidates[:CANDIDATES_MAX]:
        if not allowed.permits(candidate.url):
            tried.append({"url": candidate.url, "page": candidate.page, "reason": NOT_ON_LIST})
            continue
        with tempfile.TemporaryDirectory() as folder:
            outcome = clone(candidate.url, Path(folder, "tree"))
            if isinstance(outcome, Cloned):
                copied = copy_tree(outcome.folder, out("repository"))
                facts = {"url": candidate.url, "commit": outcome.commit, "committed_at": outcome.committed_at}
                return {**_found(copied, source="git", tried=tried), **facts}
            context.log(f"{candidate.url}: {outcome.reason}")
            tried.append({"url": candidate.url, "page": candidate.page, "reason": outcome.reason})
    return {"found": False, "source": "none", "tried": tried}


def _found(copied: Copied, *, source: str, tried: list[dict[str, Any]]) -> dict[str, Any]:
    paths = out("paths.json")
    paths.write_text(json.dumps(copied.paths, ensure_ascii=False), encoding="utf-8")
    return {
        "found": True,
        "source": source,
        "tree": str(out("repository")),
        "paths": str(paths),
        "files": copied.files,
        "bytes": copied.size_bytes,
        "left_out": copied.left_out,
        "tried": tried,
    }


if __name__ == "__main__":
    repository.main()
