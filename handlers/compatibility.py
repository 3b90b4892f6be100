"""What of a new contract would break a caller of the released one. `schemas/openapi/v1.released.json` is that one.

    released ─┐
              ├─► breaks ─► a sentence for each: the build fails
    today's ──┘

A promise is taken back in two releases: first it is marked `deprecated: true` (an answer or a header: `x-deprecated`) and
released so, then it may go. What is asked for may only become less, what is answered only more. A new error code in an
answer breaks nobody: callers go by the status. Two forms of a schema that say the same in other words count as a break.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

type Json = Mapping[str, Any]
type Way = Literal["in", "out"]

_GROWS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")  # narrower when larger
_SHRINKS = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")  # narrower when smaller


def breaks(released: Json, now: Json) -> list[str]:
    """Each way in which `now` breaks a caller of `released`."""
    return list(_Comparison(released, now).paths())


def event_breaks(released: Json, now: Json) -> list[str]:
    """Each way in which today's topics and events (schemas/asyncapi.json) break what reads or wrote the released ones.

    Both ways, for two releases run side by side while one is rolled out, and events of the older one come back from dead
    letters: today's handlers take what was written then, those of then take what is written today. Of a public type
    nobody writes but we, so its readers alone are asked. A schema that is closed takes no new field: that is a new type.
    """
    return list(_Comparison(released, now).channels())


class _Comparison:
    def __init__(self, released: Json, now: Json) -> None:
        self._released, self._now = released, now

    def paths(self) -> Iterator[str]:
        for path, methods in self._released["paths"].items():
            for method, old in methods.items():
                new = self._now["paths"].get(path, {}).get(method)
                at = f"{method.upper()} {path}"
                if new is not None:
                    yield from self._operation(old, new, at)
                elif not old.get("deprecated"):
                    yield f"{at}: removed"

    def channels(self) -> Iterator[str]:
        for name, channel in self._released["channels"].items():
            messages = self._now["channels"].get(name, {}).get("messages", {})
            gone = [message for message in channel["messages"] if message not in messages]
            if not channel.get("x-deprecated"):
                yield from (f"{name} {message}: removed" for message in gone)
        before, after = (one["components"]["schemas"] for one in (self._released, self._now))
        for name, old in before.items():
            new = after.get(name)
            if new is None:
                continue  # no channel has it, or that was told above
            yield from self._schema(old, new, name, "out")
            if old.get("additionalProperties") is False:
                yield from self._schema(old, new, name, "in")
                added = new.get("properties", {}).keys() - old.get("properties", {}).keys()
                yield from (f"{name}.{field}: new in a closed type" for field in sorted(added))

    def _operation(self, old: Json, new: Json, at: str) -> Iterator[str]:
        if [scheme for scheme in new.get("security", []) if scheme not in old.get("security", [])]:
            yield f"{at}: asks for another credential"
        yield from self._parameters(old, new, at)
        asked, asks = old.get("requestBody", {}), new.get("requestBody", {})
        if asks.get("required") and not asked.get("required"):
            yield f"{at}: asks for a body"
        yield from self._contents(asked.get("content", {}), asks.get("content", {}), f"{at} body", "in")
        for status, answer in old["responses"].items():
            given = new["responses"].get(status)
            if given is not None:
                yield from self._answer(answer, given, f"{at} {status}")
            elif not answer.get("x-deprecated"):
                yield f"{at} {status}: removed"

    def _parameters(self, old: Json, new: Json, at: str) -> Iterator[str]:
        before, after = ({(p["in"], p["name"].lower()): p for p in one.get("parameters", [])} for one in (old, new))
        for key, parameter in before.items():
            if key not in after:
                if not parameter.get("deprecated"):
                    yield f"{at} parameter {key[1]}: removed"
                continue
            if after[key].get("required") and not parameter.get("required"):
                yield f"{at} parameter {key[1]}: now required"
            yield from self._schema(parameter.get("schema", {}), after[key].get("schema", {}), f"{at} {key[1]}", "in")
        for key in after.keys() - before.keys():
            if after[key].get("required"):
                yield f"{at} parameter {key[1]}: new and required"

    def _answer(self, old: Json, new: Json, at: str) -> Iterator[str]:
        for name, header in old.get("headers", {}).items():
            if name not in new.get("headers", {}) and not header.get("x-deprecated"):
                yield f"{at} header {name}: removed"
        yield from self._contents(old.get("content", {}), new.get("content", {}), at, "out")

    def _contents(self, old: Json, new: Json, at: str, way: Way) -> Iterator[str]:
        for media, content in old.items():
            if media not in new:
                yield f"{at} {media}: removed"
            else:
                yield from self._schema(content.get("schema", {}), new[media].get("schema", {}), f"{at} {media}", way)

    def _schema(self, old: Json, new: Json, at: str, way: Way) -> Iterator[str]:
        old, new = _resolved(old, self._released), _resolved(new, self._now)
        if old.get("deprecated"):
            return
        yield from _values(old, new, at, way)
        yield from self._object(old, new, at, way)
        if "items" in old or "items" in new:
            yield from self._schema(old.get("items", {}), new.get("items", {}), f"{at}[]", way)
        for word in ("anyOf", "oneOf"):
            yield from self._alternatives(old.get(word, []), new.get(word, []), at, way)
        for n, (before, after) in enumerate(zip(old.get("allOf", []), new.get("allOf", []), strict=False)):
            yield from self._schema(before, after, f"{at}/{n}", way)
        if way == "in" and len(new.get("allOf", [])) > len(old.get("allOf", [])):
            yield f"{at}: narrowed"

    def _alternatives(self, old: list[Json], new: list[Json], at: str, way: Way) -> Iterator[str]:
        """All that was taken is taken still; nothing is answered that is like nothing answered before."""
        kept, among = (old, new) if way == "in" else (new, old)
        if not kept or not among:
            if (way == "in" and among) or (way == "out" and kept):
                yield f"{at}: narrowed" if way == "in" else f"{at}: widened"
            return
        for n, one in enumerate(kept):
            pairs = ((one, other) if way == "in" else (other, one) for other in among)
            if all(any(self._schema(before, after, at, way)) for before, after in pairs):
                yield f"{at}: alternative {n} has no match"

    def _object(self, old: Json, new: Json, at: str, way: Way) -> Iterator[str]:
        before, after = old.get("properties", {}), new.get("properties", {})
        for name, field in before.items():
            if name in after:
                yield from self._schema(field, after[name], f"{at}.{name}", way)
            elif not _resolved(field, self._released).get("deprecated"):
                yield f"{at}.{name}: removed"
        required, requires = set(old.get("required", [])), set(new.get("required", []))
        if way == "in":
            yield from (f"{at}.{name}: now required" for name in sorted(requires - required))
            if new.get("additionalProperties") is False and old.get("additionalProperties") is not False:
                yield f"{at}: takes no further fields any more"
        else:
            kept = (name for name in required - requires if not before.get(name, {}).get("deprecated"))
            yield from (f"{at}.{name}: no longer promised" for name in sorted(kept))


def _values(old: Json, new: Json, at: str, way: Way) -> Iterator[str]:
    """Types, listed values and bounds."""
    narrow, wide = (new, old) if way == "in" else (old, new)
    verb = "narrowed" if way == "in" else "widened"
    had, has = _types(wide), _types(narrow)
    if has and (not had or had - has):
        yield f"{at}: type {verb}"
    if way == "out":
        return  # an enum in an answer may grow, and bounds of answers are no promise
    listed, lists = _listed(old), _listed(new)
    if lists is not None and (listed is None or any(value not in lists for value in listed)):
        yield f"{at}: values narrowed"
    for word in ("pattern", "format", "contentEncoding"):
        if word in new and new[word] != old.get(word):
            yield f"{at}: {word} narrowed"
    for words, sign in ((_GROWS, 1), (_SHRINKS, -1)):
        for word in words:
            if word in new and (word not in old or sign * (new[word] - old[word]) > 0):
                yield f"{at}: {word} narrowed"


def _types(schema: Json) -> set[str]:
    found = schema.get("type", [])
    return {found} if isinstance(found, str) else set(found)


def _listed(schema: Json) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _resolved(schema: Json, document: Json) -> Json:
    while "$ref" in schema:
        found: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        schema = found
    return schema
