"""`python -m dashboards_as_code FOLDER` writes every dashboard as FOLDER/<uid>.json and removes former ones."""

import sys
from pathlib import Path

from dashboards_as_code import agents, bus, cost, health, overview
from dashboards_as_code.drawing import draw
from dashboards_as_code.page import Page

PAGES: tuple[Page, ...] = (overview.PAGE, agents.PAGE, health.PAGE, cost.PAGE, bus.PAGE)


def write(folder: Path) -> None:
    for former in folder.glob("penstock-*.json"):
        former.unlink()
    for page in PAGES:
        (folder / f"{page.uid}.json").write_text(draw(page))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
