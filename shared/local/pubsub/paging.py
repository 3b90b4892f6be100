"""Pages of a listing: names in order, and a token that is the last name given."""

from collections.abc import Iterable
from typing import Any

_PAGE = 100
_LARGEST_PAGE = 1000


def page(names: Iterable[str], request: Any) -> tuple[list[str], str]:
    """The names that `page_size` and `page_token` of the request ask for, and the token of the next page."""
    size = min(request.page_size or _PAGE, _LARGEST_PAGE)
    rest = sorted(name for name in names if name > request.page_token)
    return rest[:size], rest[size - 1] if len(rest) > size else ""
