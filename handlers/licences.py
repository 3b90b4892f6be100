"""Under which licences the locked packages are: read from their own metadata, listed in docs/backend/LICENCES.md, and held
against a list of what may go into the image. What is on no list is refused, not guessed.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# Permissive ones; MPL-2.0 asks for the source of its own files only, which we ship as they are.
ALLOWED = frozenset(
    {"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSD", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0", "Unlicense"}
)
UNKNOWN = "unknown"

# How metadata that is older than SPDX expressions says it.
_WORDS = (
    (r"mozilla public license 2|mpl-2\.0", "MPL-2.0"),
    (r"apache (software )?(license|2)|apache-2", "Apache-2.0"),
    (r"bsd 2-clause|bsd-2-clause|2-clause bsd", "BSD-2-Clause"),
    (r"bsd 3-clause|bsd-3-clause|3-clause bsd", "BSD-3-Clause"),
    (r"\bbsd\b", "BSD"),
    (r"\bmit\b", "MIT"),
    (r"agpl|affero", "AGPL-3.0"),
    (r"lgpl|lesser general public", "LGPL-3.0"),
    (r"\bgpl|general public license", "GPL-3.0"),
)
_EXPRESSION = re.compile(r"[A-Za-z0-9.\-]+|\(|\)")


@dataclass(frozen=True, slots=True)
class Package:
    """A locked package. `licence` is an SPDX expression as far as one can be told."""

    name: str
    version: str
    groups: tuple[str, ...]
    licence: str

    @property
    def shipped(self) -> bool:
        return "main" in self.groups


def locked() -> Iterator[Package]:
    """The packages of poetry.lock that this platform installs."""
    for one in tomllib.loads((ROOT / "poetry.lock").read_text())["package"]:
        try:
            found = metadata(one["name"])
        except PackageNotFoundError:  # for another platform
            continue
        yield Package(one["name"], one["version"], tuple(sorted(one["groups"])), licence(found))


def refused() -> list[Package]:
    """What may not go into the image under its licence, or has none that can be told."""
    return [package for package in locked() if package.shipped and not allowed(package.licence)]


def allowed(expression: str) -> bool:
    """Whether a licence expression can be met: each AND by all of its parts, each OR by one."""
    parts = [
        "True" if p in ALLOWED else p.lower() if p in ("AND", "OR", "(", ")") else "False" for p in _words(expression)
    ]
    alternatives, depth_free = " ".join(parts), "(" not in parts
    if not depth_free:  # `A AND (B OR C)`: the inner one first
        inner = re.search(r"\(([^()]*)\)", alternatives)
        if inner is None:
            return False
        return allowed(_named(alternatives[: inner.start()], _met(inner[1]), alternatives[inner.end() :]))
    return _met(alternatives)


def _named(before: str, met: bool, after: str) -> str:
    words = f"{before} {met} {after}".split()
    return " ".join({"True": "MIT", "False": UNKNOWN}.get(word, word.upper()) for word in words)


def _met(words: str) -> bool:
    return any(all(part.strip() == "True" for part in one.split(" and ")) for one in words.split(" or ")) and bool(
        words
    )


def _words(expression: str) -> list[str]:
    return _EXPRESSION.findall(expression)


def licence(found: PackageMetadata) -> str:
    """The licence that a package's metadata names."""
    if expression := found.get("License-Expression"):
        return str(expression)
    named = [c.rpartition(" :: ")[2] for c in found.get_all("Classifier") or [] if c.startswith("License ::")]
    for texts in ([one for one in named if one != "OSI Approved"], [(found.get("License") or "").split("\n")[0]]):
        known = {_spdx(text) for text in texts if text}
        if known:
            return " OR ".join(sorted(known))
    return UNKNOWN


def _spdx(text: str) -> str:
    return next((name for pattern, name in _WORDS if re.search(pattern, text.lower())), UNKNOWN)
