"""Which of a paper's links lead to source code or archived data, and which of them is most likely its own."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from paper.links import Link

_FORGES = (
    "github.com",
    "gitlab.com",
    "codeberg.org",
    "bitbucket.org",
    "git.sr.ht",
    "gitlab.inria.fr",
    "huggingface.co",
)
_ARCHIVES = (
    "zenodo.org",
    "figshare.com",
    "osf.io",
    "datadryad.org",
    "dataverse.harvard.edu",
    "softwareheritage.org",
)
_NO_OWNERS = {
    "orgs",
    "topics",
    "features",
    "about",
    "sponsors",
    "marketplace",
    "settings",
    "users",
    "search",
    "docs",
}
# Places in a paper where authors name their own code, and the one where they name others'.
_LIKELY = {"availability": 5, "abstract": 4, "introduction": 2, "methods": 2, "results": 1, "references": -3}
_OWN_WORDS = re.compile(
    r"\b(?:our|the) (?:source )?code|implementation|available at|we release|open-?source", re.IGNORECASE
)
_CONTEXT_CHARACTERS = 160


@dataclass(frozen=True)
class Repository:
    """`likely` orders them: the paper's own stands first."""

    url: str  # what git clones
    page: int
    likely: int
    subfolder: str = ""


def repositories_in(links: Iterable[Link], texts: Sequence[str]) -> list[Repository]:
    """Those that git can clone, once each, the likeliest first."""
    found: dict[str, Repository] = {}
    for link in links:
        clone = clone_address(link.url)
        if clone is None:
            continue
        context = (
            texts[link.page - 1][max(0, link.start - _CONTEXT_CHARACTERS) : link.start] if link.end else ""
        )
        likely = _LIKELY.get(link.section, 0) + (3 if _OWN_WORDS.search(context) else 0) + min(link.times, 3)
        before = found.get(clone)
        if before is None or before.likely < likely:
            found[clone] = Repository(clone, before.page if before else link.page, likely)
    return sorted(found.values(), key=lambda each: (-each.likely, each.page))


def is_archive(url: str) -> bool:
    host = (urlsplit(url).hostname or "").removeprefix("www.")
    return (
        any(host == name or host.endswith(f".{name}") for name in _ARCHIVES)
        or "10.5281/zenodo" in url.lower()
    )


def clone_address(url: str) -> str | None:
    """What to give to git for an address of a forge's page, or for one that ends in .git; None for others."""
    parts = urlsplit(url)
    host = (parts.hostname or "").removeprefix("www.")
    port = f":{parts.port}" if parts.port else ""
    steps = [step for step in parts.path.split("/") if step]
    if host not in _FORGES and steps and steps[-1].endswith(".git"):
        return f"{parts.scheme}://{host}{port}/{'/'.join(steps)}"
    if host not in _FORGES or len(steps) < 2 or steps[0].lower() in _NO_OWNERS:
        return None
    if host == "huggingface.co" and steps[0] in ("datasets", "spaces", "papers"):
        return None
    return f"https://{host}/{steps[0]}/{steps[1].removesuffix('.git')}"
