"""A call that is refused: the gRPC status and a text for the developer who made it."""

from grpc import StatusCode


class Refused(Exception):
    def __init__(self, status: StatusCode, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


def invalid(text: str) -> Refused:
    """INVALID_ARGUMENT."""
    return Refused(StatusCode.INVALID_ARGUMENT, text)


def missing(name: str) -> Refused:
    """NOT_FOUND."""
    return Refused(StatusCode.NOT_FOUND, f"Resource not found (resource={name}).")


def taken(name: str) -> Refused:
    """ALREADY_EXISTS."""
    return Refused(StatusCode.ALREADY_EXISTS, f"Resource already exists in the project (resource={name}).")


def unsupported(what: str) -> Refused:
    """UNIMPLEMENTED: refused rather than accepted and not kept."""
    return Refused(StatusCode.UNIMPLEMENTED, f"The embedded Pub/Sub has no {what}.")
