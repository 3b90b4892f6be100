"""A signed webhook's unsigned headers as a vehicle: what rides in them gets into no event, no log line and no answer."""

import re

from tests.attacks.signatures import hook
from tests.attacks.target import CANARY, Attack, Family, Target, echoes

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def riding(name: str, value: str | bytes, *more: tuple[str, str | bytes]) -> Attack:
    """The change is published, under a thread of our own making."""

    async def attack(on: Target) -> list[str]:
        before, mark = len(on.edge.published), on.said.tell()
        request = hook(more=[(name, value), *more])
        answer = await on.send(request)
        if answer.status != 204:
            return [f"answered {answer.status}"]
        [(_, message)] = on.edge.published[before:]
        everything = repr(message)
        faults = ["it rides in the event"] if CANARY.lower() in everything.lower() else []
        if not _UUID.fullmatch(message.attributes["ce-correlationid"]):
            faults.append("the correlation id is none")
        return faults + echoes(request, answer, on.said.getvalue()[mark:].decode("utf-8", "replace"))

    return attack


ATTACKS: Family = {
    "a name in the trace id": riding("x-trace-id", CANARY),
    "a sentence in the trace id": riding("x-trace-id", f"Dear Mrs {CANARY}, your result is positive"),
    "a megabyte in the trace id": riding("x-trace-id", CANARY * 80_000),
    "a line break in the trace id": riding("x-trace-id", f"3fa85f64-5717-4562-b3fc-2c963f66afa6\r\nx: {CANARY}"),
    "a trace id with more behind it": riding("x-trace-id", f"3fa85f64-5717-4562-b3fc-2c963f66afa6{CANARY}"),
    "a trace id in braces": riding("x-trace-id", "{" + CANARY + "}"),
    "a trace id beyond ASCII": riding("x-trace-id", "Müller Canaryfamily".encode()),
    "a log line in the trace id": riding("x-trace-id", f'","severity":"CRITICAL","message":"{CANARY}'),
    "two trace ids": riding("x-trace-id", CANARY, ("x-trace-id", "3fa85f64-5717-4562-b3fc-2c963f66afa6")),
    "a name in traceparent": riding("traceparent", f"00-{CANARY}-0000000000000001-01"),
    "a name in tracestate": riding("tracestate", f"vendor={CANARY}"),
    "a name in the baggage": riding("baggage", f"patient={CANARY}"),
    "a name in Google's trace header": riding("x-cloud-trace-context", f"{CANARY}/1;o=1"),
    "a name in the request id": riding("x-request-id", CANARY),
    "a name in the correlation id": riding("x-correlation-id", CANARY),
    "a name in the interaction": riding("x-medplum-interaction", CANARY),
    "a deletion's header on a change": riding("x-medplum-deleted-resource", f"Patient/{CANARY}"),
    "an event's headers on a webhook": riding("ce-type", CANARY, ("ce-id", CANARY)),
    "a browser's headers": riding("user-agent", CANARY, ("referer", f"https://{CANARY}"), ("cookie", CANARY)),
    "a name in a header's name": riding(f"x-{CANARY}", "1"),
}
