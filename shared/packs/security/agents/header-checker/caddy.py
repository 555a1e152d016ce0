"""Headers of Caddy, from Caddyfiles. Read by hand: no kept Python library parses them."""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from guard.finding import Finding, excerpt_of
from guard.tree import SourceFile
from headers import Site, check

Headers = dict[str, tuple[str, int]]


@dataclass
class Block:
    """A directive with its words and, for `{ … }`, the directives inside."""

    words: list[str]
    line: int
    inside: list["Block"] = field(default_factory=list)
    has_braces: bool = False


def is_mine(file: SourceFile) -> bool:
    pure = PurePosixPath(file.name)
    return pure.name == "Caddyfile" or pure.name.startswith("Caddyfile.") or pure.suffix == ".caddyfile"


def scan(file: SourceFile) -> Iterator[Finding]:
    named = [block for block in parse(file.text()) if block.words]
    snippets = {block.words[0].strip("()"): block for block in named if block.words[0].startswith("(")}
    for block in named:
        if not block.words[0].startswith("(") and not _only_redirects(block):
            yield from check(_site(block, snippets=snippets, file=file))


def parse(text: str) -> list[Block]:
    """The blocks of the outermost level. An address without braces takes the rest of the file."""
    root = Block(words=[], line=0)
    stack = [root]
    for number, line in enumerate(text.splitlines(), start=1):
        words = _words(line)
        if words == ["}"] and len(stack) > 1:
            stack.pop()
        elif words and words[-1] == "{":
            stack[-1].inside.append(Block(words=words[:-1], line=number, has_braces=True))
            stack.append(stack[-1].inside[-1])
        elif words:
            stack[-1].inside.append(Block(words=words, line=number))
    first, *rest = root.inside or [root]
    return [Block(first.words, first.line, rest)] if first.words and not first.has_braces else root.inside


def _words(line: str) -> list[str]:
    lexer = shlex.shlex(re.sub(r"(^|\s)#.*", "", line), posix=True, punctuation_chars="")
    lexer.whitespace_split, lexer.quotes, lexer.commenters = True, '"`', ""
    try:
        return list(lexer)
    except ValueError:  # a quoted text over several lines: its words do not matter here
        return []


def _site(block: Block, *, snippets: dict[str, Block], file: SourceFile) -> Site:
    address = " ".join(block.words)
    return Site(
        file=file.name,
        line=block.line,
        server="caddy",
        name=address,
        https=not all(word.startswith(("http://", ":80")) for word in block.words),
        excerpt=excerpt_of(address),
        headers=_headers(block.inside, snippets=snippets),
    )


def _headers(blocks: Sequence[Block], *, snippets: dict[str, Block], depth: int = 0) -> Headers:
    found: Headers = {}
    for block in blocks:
        name, *words = block.words or [""]
        if name == "header":
            found |= _of_directive(words, block)
        elif name == "import" and words and words[0] in snippets and depth < 4:
            found |= _headers(snippets[words[0]].inside, snippets=snippets, depth=depth + 1)
        elif name in ("handle", "route") and not words:
            found |= _headers(block.inside, snippets=snippets, depth=depth + 1)
    return found


def _of_directive(words: Sequence[str], block: Block) -> Headers:
    """`header Name value` or `header { Name value … }`; one behind a matcher does not cover the site."""
    if words and words[0].startswith(("/", "@")):
        return {}
    words = words[1:] if words[:1] == ["*"] else words
    lines = [(item.words, item.line) for item in block.inside] or [(list(words), block.line)]
    return {
        name.lstrip("+?>").lower(): (value[0], line)
        for (name, *value), line in lines
        if value and not name.startswith("-")
    }


def _only_redirects(block: Block) -> bool:
    return bool(block.inside) and all(item.words[:1] == ["redir"] for item in block.inside)
