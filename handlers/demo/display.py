"""What a person sees while the demo runs: live lines on a terminal, plain lines elsewhere, and a table at the end."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Progress:
    """Counts at one moment. `waiting` is what lies in the data path's queues."""

    written: int
    of: int
    received: int
    rows: int
    waiting: int
    audited: int
    audit_backlog: int


class Display:
    """Progress on stderr, so that stdout stays for the result."""

    EVERY = 2.0  # seconds between plain lines

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        wide = None if stream.isatty() else 140  # a log has no edge to wrap at
        self._console = Console(file=stream, highlight=False, width=wide)
        self._live: Live | None = None
        self._last = 0.0

    def step(self, text: str) -> None:
        """One line that stays."""
        self._console.print(f"[dim]·[/dim] {text}")

    def begin(self) -> None:
        """Start the live lines, where there is a terminal."""
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=4, transient=True)
            self._live.start()

    def progress(self, now: Progress) -> None:
        """Show the counts: live, or as a plain line every few seconds."""
        if self._live:
            self._live.update(_bars(now))
        elif monotonic() - self._last >= self.EVERY:
            self._last = monotonic()
            self._console.print(
                f"  written {now.written}/{now.of}  received {now.received}  rows {now.rows}"
                f"  waiting {now.waiting}  audit {now.audited} (+{now.audit_backlog} waiting)"
            )

    def end(self) -> None:
        """Stop the live lines."""
        if self._live:
            self._live.stop()
            self._live = None

    def table(self, title: str, rows: Mapping[str, str]) -> None:
        """A table of two columns."""
        table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
        for name, value in rows.items():
            table.add_row(name, value)
        self._console.print(table)

    def verdict(self, *, good: bool, text: str) -> None:
        """The last word."""
        self._console.print(f"[bold {'green' if good else 'red'}]{text}[/]")


def _bars(now: Progress) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, done in (("written", now.written), ("received", now.received), ("rows", now.rows)):
        share = min(1.0, done / max(1, now.of))
        table.add_row(name, f"[green]{'━' * round(share * 40):<40}[/green]", f"{done}")
    table.add_row("waiting", "", str(now.waiting))
    table.add_row(
        "audit", "", f"{now.audited} events of accesses written, {now.audit_backlog} waiting for Medplum's quota"
    )
    return table
