"""What belongs to a tenant, by its project: an event names its project, and a handler touches only that project's."""

from collections.abc import Iterator, Mapping

from shared.errors import Code, Problem


class ByProject[T](Mapping[str, T]):
    """A read-only map from a project to what is its own. A project that is not served is a Problem, not a KeyError."""

    def __init__(self, items: Mapping[str, T]) -> None:
        self._items = dict(items)

    def __getitem__(self, project: str) -> T:
        try:
            return self._items[project]
        except KeyError:
            raise Problem(Code.UNKNOWN_PROJECT, "data.project") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
