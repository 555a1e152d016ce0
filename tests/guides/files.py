"""The files that guides show. Imports nothing of ours: it is also used where Penstock is not installed."""

import re
from pathlib import Path

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"
_FILE = re.compile(r"^```\w+ (\S+/\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def write_files(guide: str, folder: Path) -> dict[str, Path]:
    """Every file that a guide shows, written below the folder: its name there, and where it is now."""
    files = {}
    for name, text in _FILE.findall((GUIDES / guide).read_text()):
        files[name] = folder / name
        files[name].parent.mkdir(parents=True, exist_ok=True)
        files[name].write_text(text)
    return files
