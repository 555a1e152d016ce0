"""Addresses in a paper: written out, also over line breaks, and those that lie on the page as annotations."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit, urlunsplit

from paper.document import Document
from paper.identifiers import WITHOUT_SPACES, identifiers_in
from paper.sections import section_at

LINKS_MAX = 1_000
_ADDRESS = re.compile(rf"(?:https?://|www\.)[^\s<>\"{{}}|\\^`“”{WITHOUT_SPACES}]+", re.IGNORECASE)
_BARE = re.compile(r"(?<![\w/.@-])(?:github\.com|gitlab\.com|codeberg\.org|bitbucket\.org)/[\w.-]+/[\w./-]+")
_NEXT = re.compile(rf"\n(?P<token>[^\s<>\"{{}}|\\^`“”{WITHOUT_SPACES}]+)")
_ENDS_OPEN = tuple("/-_=&?%#~:+.")
_OPENS = tuple("/-_=&?%#~+.")
_PUNCTUATION = ".,;:!?'’*"
_LINES_MAX = 4  # that one address may go over
_ADDRESS_CHARACTERS_MAX = 2_000
_TOKEN_CHARACTERS_MAX = 200  # that are looked at


@dataclass(frozen=True)
class Link:
    """`origin`: text, annotation, doi or arxiv. `shorter` is the address without what the next line seemed to add."""

    url: str
    kind: str  # web, doi, arxiv
    origin: str
    page: int
    start: int
    end: int
    section: str = ""
    broken_over_lines: bool = False
    shorter: str = ""
    times: int = 1


def links_in(document: Document) -> list[Link]:
    """Each address once, at the first place that has it."""
    found: dict[str, Link] = {}
    for page in document.pages:
        every = [*_written(page.number, page.text, page.links), *_identified(page.number, page.text)]
        shown = {link.url.lower().rstrip("/") for link in every}
        every += _annotated(page.number, [uri for uri in page.links if uri.lower().rstrip("/") not in shown])
        for link in every:
            key = _key(link.url)
            before = found.get(key)
            section = section_at(document.sections, page=link.page, start=link.start)
            found[key] = (
                replace(before, times=before.times + 1)
                if before
                else replace(link, section=section.kind if section else "")
            )
    return list(found.values())[:LINKS_MAX]


def _written(page: int, text: str, annotations: Sequence[str]) -> Iterator[Link]:
    taken = 0
    for match in sorted([*_ADDRESS.finditer(text), *_BARE.finditer(text)], key=lambda match: match.start()):
        if match.start() < taken:
            continue
        first = match[0]
        whole, end = _over_lines(text, match.end(), first, annotations)
        url, short = _clean(whole), _clean(first)
        if len(url) > _ADDRESS_CHARACTERS_MAX or not _is_address(url):
            continue
        taken = end
        broken = url != short
        yield Link(
            url=url,
            kind=kind_of(url),
            origin="text",
            page=page,
            start=match.start(),
            end=end - (len(whole) - len(whole.rstrip(".,;:!?)]}'"))),
            broken_over_lines=broken,
            shorter=short if broken and _is_address(short) else "",
        )


def _over_lines(text: str, end: int, address: str, annotations: Sequence[str]) -> tuple[str, int]:
    """The address with what further lines add to it, and where it ends."""
    for _ in range(_LINES_MAX - 1):
        following = _NEXT.match(text, end)
        if not following or not _goes_on(address, following["token"], annotations):
            break
        address += following["token"]
        end = following.end()
    return address, end


def _goes_on(address: str, token: str, annotations: Sequence[str]) -> bool:
    """Whether `token`, the first of the next line, belongs to the address that ended the line.

    An annotation knows. Without one: the break stands beside a character that joins parts of an address, or the
    token has such parts itself and no look of a word.
    """
    so_far = _with_scheme(address)
    known = [uri for uri in annotations if uri.startswith(so_far) and len(uri) > len(so_far)]
    if known:
        return any(uri.startswith(so_far + token.rstrip(_PUNCTUATION)) for uri in known)
    if any(uri.rstrip("/") == so_far.rstrip("/") for uri in annotations):
        return False
    token = token[:_TOKEN_CHARACTERS_MAX]
    if address.endswith((",", ";", ")", "]", "!")) or _ADDRESS.match(token):
        return False
    if address.endswith(".") or token.startswith("."):  # the end of a sentence, or a dot inside
        return bool(re.match(r"\.?[a-z0-9][\w-]*(?:[./?&=#%~+:][\w-]+)*[).,;/]*$", token)) and _has_parts(
            token
        )
    if address.endswith(_ENDS_OPEN):
        # Behind a host's own slash a plain word is the sentence's more often than the address's.
        is_host = _with_scheme(address).count("/") == 3 and address.endswith("/")
        return _has_parts(token) or (not token[0].isupper() and not is_host)
    return token.startswith(_OPENS) or _has_parts(token)


def _has_parts(token: str) -> bool:
    inside = token[:_TOKEN_CHARACTERS_MAX].strip(".,;:()[]")
    return bool(
        re.search(r"[/_=&?%#~]|\d.*[a-z]|[a-z].*\d|\.(?:html?|pdf|git|zip|org|com|net|io|csv|json)$", inside)
    )


def _annotated(page: int, uris: Sequence[str]) -> Iterator[Link]:
    for uri in uris:
        if _is_address(uri) and len(uri) <= _ADDRESS_CHARACTERS_MAX:
            yield Link(uri, kind_of(uri), "annotation", page, 0, 0)


def _identified(page: int, text: str) -> Iterator[Link]:
    """DOIs and arXiv numbers that stand alone, as the addresses that they mean."""
    for found in identifiers_in(text):
        yield Link(found.url, found.kind, found.kind, page, found.start, found.end)


def kind_of(url: str) -> str:
    host = urlsplit(url).hostname or ""
    if host in ("doi.org", "dx.doi.org", "www.doi.org"):
        return "doi"
    return "arxiv" if host.removeprefix("www.") == "arxiv.org" else "web"


def _clean(address: str) -> str:
    """Without the punctuation of the sentence around it; a closing bracket stays if one was opened."""
    address = _with_scheme(address)
    while address and (address[-1] in _PUNCTUATION or _is_unopened(address)):
        address = address[:-1]
    return address


def _with_scheme(address: str) -> str:
    return address if re.match(r"https?://", address, re.IGNORECASE) else f"https://{address}"


def _is_unopened(address: str) -> bool:
    pairs = {")": "(", "]": "[", "}": "{"}
    opening = pairs.get(address[-1])
    return opening is not None and address.count(address[-1]) > address.count(opening)


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(re.fullmatch(r"[\w.-]+|[0-9a-f:]+", host))
        and ("." in host or ":" in host or host == "localhost")
    )


def _key(url: str) -> str:
    """What makes two addresses one: hosts and DOIs do not care for case, nor anybody for a last slash."""
    parts = urlsplit(url)
    host = parts.netloc.lower().replace("dx.doi.org", "doi.org")
    is_doi = host.endswith("doi.org")
    path = parts.path.rstrip("/")
    scheme = "https" if is_doi else parts.scheme.lower()
    return urlunsplit((scheme, host, path.lower() if is_doi else path, parts.query, ""))
