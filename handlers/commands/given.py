"""What a command line says: paths as the caller meant them, counts, shares."""

import argparse
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

type Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def from_caller(path: Path | None) -> Path | None:
    """A path as the caller meant it: `./dev` may be called from anywhere."""
    return path if path is None else called(path)


def called(path: Path) -> Path:
    """The same of a path that is given."""
    return Path(os.environ.get("STARVIT_CALLED_FROM", ".")) / path


def share(text: str) -> float:
    """Between 0 and 1. Raises argparse.ArgumentTypeError, or ValueError."""
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError("must be between 0 and 1")
    return number


def count(text: str) -> int:
    """Between 1 and a million. Raises argparse.ArgumentTypeError, or ValueError."""
    number = int(text)
    if not 1 <= number <= 1_000_000:
        raise argparse.ArgumentTypeError("must be between 1 and 1000000")
    return number
