"""A text without its escapes, for a search that must not be fooled by them.

JSON's (`\\u00fc`, `\\"`), those of JSON within JSON however deep, Python's for bytes (`\\xc3\\xbc`), and those of URLs
(`%C3%BC`). It is generous rather than exact: what only looks like an escape is resolved too, which costs nothing.
"""

import re
from urllib.parse import unquote_to_bytes

_SIMPLE = ((b'\\"', b'"'), (b"\\n", b"\n"), (b"\\r", b"\r"), (b"\\t", b"\t"), (b"\\/", b"/"))
_UNICODE = re.compile(rb"(?:\\u[0-9a-fA-F]{4})+")
_BYTES = re.compile(rb"(?:\\x[0-9a-fA-F]{2})+")
_PERCENT = re.compile(rb"%[0-9a-fA-F]{2}")


def resolved(text: bytes) -> bytes:
    """The text with its escapes resolved."""
    if b"\\" in text:
        text = _backslashed(text)
    return unquote_to_bytes(text) if b"%" in text and _PERCENT.search(text) else text


def _backslashed(text: bytes) -> bytes:
    while b"\\\\" in text:  # each nesting doubles them
        text = text.replace(b"\\\\", b"\\")
    if b"\\u" in text:
        text = _UNICODE.sub(lambda run: _characters(run.group()), text)
    if b"\\x" in text:
        text = _BYTES.sub(lambda run: bytes.fromhex(run.group().replace(b"\\x", b"").decode()), text)
    for escaped, plain in _SIMPLE:
        text = text.replace(escaped, plain)
    return text


def _characters(run: bytes) -> bytes:
    """`\\u` escapes as UTF-8, surrogate pairs joined."""
    units = bytes.fromhex(run.replace(b"\\u", b"").decode())
    return units.decode("utf-16-be", "replace").encode()
