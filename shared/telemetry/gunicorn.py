"""Gunicorn's lines, on our way: `logger_class` of handlers/server.py. Name and level stay, the text goes."""

from typing import Any

from gunicorn.glogging import Logger as _Logger

from shared.telemetry.logs import start_logging


class Logger(_Logger):  # type: ignore[misc]  # gunicorn has no types
    def setup(self, cfg: Any) -> None:
        """Everything that gunicorn says goes through the root logger's stripping handler."""
        start_logging()
