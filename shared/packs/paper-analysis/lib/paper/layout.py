"""Words with boxes become lines in the order in which people read them: columns one after the other.

A page has two columns if an empty strip near its middle has text on both sides, lines on its right begin at one
edge, and few rows cross it. What crosses it (title, abstract, wide figures' captions, a centred page number)
divides the page: above and below it, columns begin anew. Three columns are read as two, the middle one divided.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_SAME_LINE = 0.45  # of the height: baselines nearer than this are one line, so that superscripts belong to it
_GUTTER = 0.7  # of the height: a strip between columns is at least as wide; most spaces are narrower
_LINES_MIN = 4  # on each side; fewer are a table or a figure
_CROSSING_MAX = 0.4  # share of rows that cross the strip
_ALIGNED_MIN = 0.45  # share of the right lines that begin at one edge
_EDGE_POINTS = 3.0
_COLUMN_WIDTH_MIN = 0.2  # of the page: narrower columns are those of a table
_STEP_POINTS = 4.0  # half of a narrow strip


@dataclass(frozen=True)
class Word:
    """Points from the lower left corner; `base` is the baseline, `height` that of the font."""

    text: str
    left: float
    right: float
    base: float
    height: float
    turned: bool = False


Row = tuple[Word, ...]


@dataclass(frozen=True)
class Line:
    """`column`: 0 for what goes over the whole width, 1 and 2 otherwise, 3 for text that stands on its side."""

    text: str
    base: float
    height: float
    column: int


@dataclass(frozen=True)
class _Divided:
    """A row on both sides of a strip; `crosses` if it is one line for all that."""

    left: Row
    right: Row
    crosses: bool


def lines_of(words: Iterable[Word], *, width: float) -> tuple[list[Line], int]:
    """The lines of a page in reading order, and how many columns it has."""
    every = list(words)
    rows = _rows([word for word in every if not word.turned])
    strip = _strip(rows, width=width)
    lines = [_line(row, 0) for row in rows] if strip is None else list(_in_two(rows, strip))
    turned = tuple(word for word in every if word.turned)
    return [*lines, *([_line(turned, 3)] if turned else [])], 1 if strip is None else 2


def _rows(words: list[Word]) -> list[Row]:
    """Words whose baselines are near each other, from top to bottom."""
    rows: list[list[Word]] = []
    for word in sorted(words, key=lambda word: (-word.base, word.left)):
        last = rows[-1] if rows else None
        if last and abs(last[0].base - word.base) <= _SAME_LINE * min(last[0].height, word.height):
            last.append(word)
        else:
            rows.append([word])
    return [tuple(sorted(row, key=lambda word: word.left)) for row in rows]


def _strip(rows: list[Row], *, width: float) -> float | None:
    """The middle of the empty strip between two columns, or None for a page with one."""
    found: dict[int, list[float]] = {}
    for step in range(int(0.4 * width / _STEP_POINTS)):
        place = 0.3 * width + step * _STEP_POINTS
        crossing = _crossing(rows, place, width=width)
        if crossing is not None:
            found.setdefault(crossing, []).append(place)
    if not found:
        return None
    places = found[min(found)]
    return places[len(places) // 2]


def _crossing(rows: list[Row], place: float, *, width: float) -> int | None:
    """How many rows cross the strip at `place`, or None if what lies beside it are no columns."""
    divided = [_divided(row, place) for row in rows]
    left = [each.left for each in divided if each.left and not each.crosses]
    right = [each.right for each in divided if each.right and not each.crosses]
    crossing = sum(each.crosses for each in divided)
    if min(len(left), len(right)) < _LINES_MIN or crossing > _CROSSING_MAX * len(rows):
        return None
    edges = Counter(round(row[0].left / _EDGE_POINTS) for row in right)
    aligned = max(count + edges[edge + 1] for edge, count in edges.items())
    if aligned < _ALIGNED_MIN * len(right):
        return None
    narrow = min(_typical_width(left), _typical_width(right)) < _COLUMN_WIDTH_MIN * width
    return None if narrow else crossing


def _divided(row: Row, place: float) -> _Divided:
    left = tuple(word for word in row if (word.left + word.right) / 2 <= place)
    right = row[len(left) :]
    covered = any(word.left < place < word.right for word in row)
    gap = right[0].left - left[-1].right if left and right else float("inf")
    return _Divided(left, right, covered or gap < _GUTTER * max(word.height for word in row))


def _typical_width(rows: list[Row]) -> float:
    """Three quarters are narrower: ends of paragraphs and headings say little about a column."""
    widths = sorted(row[-1].right - row[0].left for row in rows)
    return widths[3 * len(widths) // 4]


def _in_two(rows: list[Row], strip: float) -> Iterator[Line]:
    """Between two rows that cross the strip: the left column, then the right one."""
    band: list[_Divided] = []
    for row in rows:
        divided = _divided(row, strip)
        if divided.crosses:
            yield from _columns(band)
            band = []
            yield _line(row, 0)
        else:
            band.append(divided)
    yield from _columns(band)


def _columns(band: list[_Divided]) -> Iterator[Line]:
    yield from (_line(each.left, 1) for each in band if each.left)
    yield from (_line(each.right, 2) for each in band if each.right)


def _line(row: Row, column: int) -> Line:
    heights = sorted(word.height for word in row)
    return Line(" ".join(word.text for word in row), row[0].base, heights[len(heights) // 2], column)
