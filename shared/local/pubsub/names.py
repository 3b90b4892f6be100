"""Resource names: `projects/<project>/<topics | subscriptions | snapshots>/<id>`."""

import re

from shared.local.pubsub.refusal import invalid

_NAME = re.compile(r"projects/[^/]+/(topics|subscriptions|snapshots)/(?!goog)[A-Za-z][\w\-.~+%]{2,254}", re.ASCII)


def check(name: str, kind: str) -> None:
    """Raises Refused(INVALID_ARGUMENT) unless it is a name of this kind."""
    match = _NAME.fullmatch(name)
    if match is None or match.group(1) != kind:
        raise invalid(f"invalid name of {kind}")


def short(name: str) -> str:
    """`projects/p/topics/t` is `t`."""
    return name.rsplit("/", 1)[-1]
