"""What every test starts from: nobody else's logging, and examples that a busy machine does not change."""

import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from shared.telemetry import logs

# The same examples in each run, and no clock in a verdict: to look further afield, run with --hypothesis-profile=default.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("steady")


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """A test that starts the service's logging takes it along: its stdout is pytest's, and closed by the next test."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.reset_defaults()
    logs.THREAD.set({})
    logs.look_again()
    logging.captureWarnings(capture=False)
    root.handlers, root.level = handlers, level
