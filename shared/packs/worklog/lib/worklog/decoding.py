"""The text of a file, whatever wrote it."""

import codecs

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_OLD = "cp1252"  # what files that are not UTF-8 almost always are; it has all of Latin-1's letters


def decoded(content: bytes) -> str:
    """Lines end with `\\n`. NUL, which no store holds, becomes the replacement character."""
    text = _decoded(content).replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\x00", "\ufffd")


def _decoded(content: bytes) -> str:
    if content.startswith(_UTF16):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode(_OLD, errors="replace")
