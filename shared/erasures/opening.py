"""The erasures that belong to a ledger's setting. What an implementation needs is imported only when it is chosen."""

from shared.erasures.port import Erasures


def open_erasures(ledger: str, *, project: str) -> Erasures:
    """In memory, beside the ledger's file, or in its database. Touches no store yet."""
    match ledger.partition(":"):
        case ("memory", "", ""):
            from shared.erasures.memory import MemoryErasures

            return MemoryErasures()
        case ("sqlite", ":", path) if path:
            from shared.erasures.sqlite import SqliteErasures

            return SqliteErasures(f"{path}.erasures")
        case ("firestore", ":", database) if database:
            from shared.erasures.firestore import FirestoreErasures

            return FirestoreErasures(database, project)
        case _:
            raise ValueError("a ledger is memory, sqlite:<path> or firestore:<database>")
