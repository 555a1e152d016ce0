"""How well libraries read two columns: `python -m benchmarks.pdf_text`, one JSON line for each that is installed.

Of the words on eight pages those that follow the right word, in percent, and seconds of CPU for both files. In one
the columns stand one after the other, in the other they are written line by line in one text object. The others are
no part of Penstock: `pip install --target FOLDER pypdf pdfplumber`, and PYTHONPATH=FOLDER.
"""

import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from tests.packs.papers import PACK, Paper, write_paper

WORDS = 3_360  # what eight pages take
_WORD = re.compile(r"w(z+[a-j]+)")


def main() -> None:
    sys.path.insert(0, str(PACK / "lib"))
    with tempfile.TemporaryDirectory() as folder:
        files = [
            write_paper(Path(folder, f"{by_rows}.pdf"), _paper(), by_rows=by_rows)
            for by_rows in (False, True)
        ]
        for name, (library, read) in READERS.items():
            if find_spec(library) is None:
                print(f"{name}: {library} is not installed", file=sys.stderr)
                continue
            began = time.process_time()
            shares = [_share(read(file)) for file in files]
            seconds = round(time.process_time() - began, 1)
            print(json.dumps({"reader": name, "columns": shares[0], "rows": shares[1], "seconds": seconds}))


def _paper() -> Paper:
    numbered = [_word(number) for number in range(WORDS)]
    paragraphs = tuple(" ".join(numbered[start : start + 60]) for start in range(0, WORDS, 60))
    return Paper("A Paper of Many Words in a Row", "Short.", (("1 Introduction", paragraphs),))


def _word(number: int) -> str:
    """Digits as letters: lines that differ in digits only are page numbers to a reader."""
    return "w" + str(number).translate(str.maketrans("0123456789", "abcdefghij")).rjust(9, "z")


def _share(text: str) -> int:
    """Percent of the words that stand behind the one before."""
    found = [match[0] for match in _WORD.finditer(text)]
    following = {_word(number): _word(number + 1) for number in range(WORDS)}
    return round(100 * sum(following.get(one) == other for one, other in pairwise(found)) / (WORDS - 1))


def _this_pack(file: Path) -> str:
    opened = import_module("paper.opening").open_paper(file)
    return "\n".join(page.text for page in import_module("paper.reading").read_document(opened).pages)


def _pypdf(mode: str) -> Callable[[Path], str]:
    def read(file: Path) -> str:
        pages = import_module("pypdf").PdfReader(file).pages
        return "\n".join(page.extract_text(extraction_mode=mode) for page in pages)

    return read


def _pdfplumber(file: Path) -> str:
    with import_module("pdfplumber").open(file) as opened:
        return "\n".join(page.extract_text() for page in opened.pages)


READERS: dict[str, tuple[str, Callable[[Path], str]]] = {
    "this pack": ("pypdfium2", _this_pack),
    "pypdf, plain": ("pypdf", _pypdf("plain")),
    "pypdf, layout": ("pypdf", _pypdf("layout")),
    "pdfplumber": ("pdfplumber", _pdfplumber),
}

if __name__ == "__main__":
    main()
