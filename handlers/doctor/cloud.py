"""Provision's difference, read for what it breaks."""

from collections.abc import Iterator

from handlers import catalog
from handlers.doctor.findings import Check, Finding
from handlers.provisioning.changes import Act, Change
from handlers.provisioning.wanted import aside, hold


def findings(change: Change) -> Iterator[Finding]:
    """What a change means. One that is to be kept, or can not be seen on this server, means nothing."""
    if (check := _check(change)) is not None:
        at = change.how or ", ".join(change.fields)
        if change.act is Act.EXTRA and change.kind != "binding":
            at = f"`./dev provision --apply --delete {change.name}`"
        yield Finding(check, f"{change.kind} {change.name}", at=at, only=f" --only {change.area}")


def _check(change: Change) -> Check | None:
    match change.act:
        case Act.KEEP | Act.UNSEEN:
            return None
        case Act.EXTRA:
            return Check.IAM_EXTRA if change.kind == "binding" else Check.READS_ALONG
        case Act.CREATE:
            return _missing(change)
    if change.kind == "subscription":
        return Check.SUBSCRIPTION_FIXED if change.act is Act.REFUSED else Check.SUBSCRIPTION_DIFFERS
    if change.kind in ("table", "view"):
        return Check.TABLE_OLD
    return Check.GOOGLE_REFUSES if change.act is Act.REFUSED else Check.DIFFERS


def _missing(change: Change) -> Check:
    if change.kind == "binding":
        return Check.DEAD_LETTER_IAM if _is_dead_letter(change.name) else Check.IAM_MISSING
    if change.kind == "subscription" and change.name in {hold(topic) for topic in aside()}:
        return Check.DEAD_LETTER_UNHELD
    return Check.NOT_PROVISIONED


def _is_dead_letter(binding: str) -> bool:
    """Pub/Sub's agent: publisher on a dead-letter topic, or subscriber on what feeds it."""
    names = {f"topic {on.dead_letter}" for on in catalog.subscriptions()}
    names |= {f"subscription {on.name}" for on in catalog.subscriptions()}
    return binding.partition(":")[0] in names and "@gcp-sa-pubsub." in binding
