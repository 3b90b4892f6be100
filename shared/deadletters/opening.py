"""The index that the settings name. What an implementation needs is imported only when it is chosen."""

from shared.deadletters.port import Index
from shared.settings import Settings


def open_index(settings: Settings) -> Index:
    """`dead_letters`, or else what stands beside the ledger. Touches no store yet."""
    match (settings.dead_letters or settings.ledger).partition(":"):
        case ("memory", "", ""):
            from shared.deadletters.memory import MemoryIndex

            return MemoryIndex()
        case ("sqlite", ":", path) if path:
            from shared.deadletters.sqlite import SqliteIndex

            return SqliteIndex(path if settings.dead_letters else f"{path}.dead-letters")
        case ("firestore", ":", database) if database:
            from shared.deadletters.firestore import FirestoreIndex

            return FirestoreIndex(database, settings.gcp_project)
        case _:
            raise ValueError("dead_letters is memory, sqlite:<path> or firestore:<database>")
