"""The ledger that a setting names. What an implementation needs is imported only when it is chosen."""

from shared.ledger.port import Ledger
from shared.ledger.transitions import RETENTION


def open_ledger(url: str, *, project: str, retention: float = RETENTION) -> Ledger:
    """`memory`, `sqlite:<path>` or `firestore:<database>` in the Google Cloud project. Touches no store yet."""
    match url.partition(":"):
        case ("memory", "", ""):
            from shared.ledger.memory import MemoryLedger

            return MemoryLedger(retention=retention)
        case ("sqlite", ":", path) if path:
            from shared.ledger.sqlite import SqliteLedger

            return SqliteLedger(path, retention=retention)
        case ("firestore", ":", database) if database:
            from shared.ledger.firestore import FirestoreLedger

            return FirestoreLedger(database, project, retention=retention)
        case _:
            raise ValueError("a ledger is memory, sqlite:<path> or firestore:<database>")
