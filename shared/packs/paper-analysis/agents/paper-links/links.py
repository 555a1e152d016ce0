"""The agent paper-links: asks which links of a paper are alive, through the runner's proxy."""

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import msgspec
from paper.allowlist import AllowList, host_of, read_allow_list
from paper.checked import Checked, counts_of
from paper.checking import LinkChecker, client
from paper.evidence import load_evidence
from paper.handing import file_in, hand_on, keep, out
from paper.links import Link

from penstock.agents import agent, context

LINKS_MAX = 300  # asked; at 8 at once and half a second each they take 20 s
SAVED_EVERY = 10  # links: what a retried attempt need not ask again
SHOWN_MAX = 20


@agent
async def links(evidence: dict[str, Any]) -> dict[str, Any]:
    """Each link's state: ok, broken, unreachable or not_allowed."""
    allowed = read_allow_list(Path(__file__).parent)
    file = file_in(evidence, "evidence", of="paper-evidence")
    every = load_evidence(file).links
    results = await _checked(every[:LINKS_MAX], allowed)
    results += [
        Checked(link.url, "unreachable", f"only {LINKS_MAX} links are asked") for link in every[LINKS_MAX:]
    ]
    written = out("links.json")
    written.write_text(json.dumps([asdict(each) for each in results], ensure_ascii=False), encoding="utf-8")
    counts = counts_of(results)
    context.log(", ".join(f"{number} {state}" for state, number in counts.items()))
    return {
        "document": hand_on(str(file_in(evidence, "document", of="paper-evidence"))),
        "evidence": hand_on(str(file)),
        "links": str(written),
        "counts": counts,
        "broken": [asdict(each) for each in results if each.state == "broken"][:SHOWN_MAX],
        "not_allowed": _hosts([each for each in results if each.state == "not_allowed"]),
    }


async def _checked(every: tuple[Link, ...], allowed: AllowList) -> list[Checked]:
    known = msgspec.convert(await context.checkpoint.load_async() or {}, dict[str, Checked])
    if known:
        context.log(f"{len(known)} links were asked by an earlier attempt")
    asked = Counter[str]()

    async def note(done: Mapping[str, Checked]) -> None:
        asked["links"] += 1
        if asked["links"] % SAVED_EVERY == 0:
            await asyncio.to_thread(keep, {url: asdict(each) for url, each in done.items()})
            await context.progress_async(len(done), len(every), "links")

    async with client() as opened:
        return await LinkChecker(opened, allowed, note=note).check(every, known=known)


def _hosts(results: list[Checked]) -> dict[str, int]:
    """What an operator would add to the list, by how many links it would open."""
    hosts = Counter(host_of(each.final_url or each.url) or each.url for each in results)
    return dict(hosts.most_common(SHOWN_MAX))


if __name__ == "__main__":
    links.main()
