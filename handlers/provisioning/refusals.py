"""What Google's clients raise, in our words. Their texts may name anything, and are dropped."""

from collections.abc import Iterator
from contextlib import contextmanager

from handlers.provisioning.changes import Refusal
from shared.errors import Code, Problem


@contextmanager
def in_our_words() -> Iterator[None]:
    """Turns an exception of Google's clients into Refusal (somebody must act) or Problem (it is not there)."""
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    try:
        yield
    except (GoogleAPIError, GoogleAuthError) as error:
        raise refusal(type(error).__name__) from None


def refusal(status: str) -> Refusal | Problem:
    """What an exception of this name, or an HTTP status of this name, means here."""
    match status:
        case "MethodNotImplemented":
            return Refusal("this server has none", unseen=True)
        case "Forbidden" | "PermissionDenied" | "Unauthorized" | "Unauthenticated":
            return Refusal("your own account may not: ask for the right in this project, or for somebody who has it")
        case "DefaultCredentialsError" | "RefreshError":
            return Refusal("no Google credentials: gcloud auth application-default login")
        case "Aborted" | "AlreadyExists" | "Conflict" | "PreconditionFailed" | "FailedPrecondition":
            return Refusal("somebody else changed it meanwhile: run again")
        case "NotFound":
            return Refusal("what it belongs to is not there yet: provision that first, then run again")
        case "ServiceUnavailable" | "DeadlineExceeded" | "RetryError" | "GatewayTimeout":
            return Problem(Code.UNEXPECTED, status)
    return Refusal(f"Google refuses it ({status})")
