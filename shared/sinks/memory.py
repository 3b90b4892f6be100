"""The memory twin of the publisher: keeps what was published, and fails when it is told to."""

from shared.errors import Code, Problem
from shared.events.envelope import Message


class MemoryPublisher:
    """`published` holds (topic, message) in the order of confirmation."""

    def __init__(self) -> None:
        self.published: list[tuple[str, Message]] = []
        self._failures = 0

    def fail(self, times: int = 1) -> None:
        """The next so many publishes are not confirmed."""
        self._failures += times

    async def publish(self, topic: str, message: Message) -> None:
        if self._failures:
            self._failures -= 1
            raise Problem(Code.PUBSUB_DOWN, topic)
        self.published.append((topic, message))

    async def close(self) -> None:
        """Nothing to let go of: what was published stays for whoever asks."""
