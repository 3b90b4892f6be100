"""What Medplum makes of a resource's content on the way in: empties dropped, its own meta apart, tags and compartments.

Left out: what FHIR says about the content, except that nothing may be null and that the type must fit.
"""

from collections.abc import Iterator, Mapping

from shared.local.medplum.outcomes import Json, Refused, structure

OURS = ("versionId", "lastUpdated", "author", "project", "compartment")


def cleaned(resource: Mapping[str, object]) -> Json:
    """Without empty values, as Medplum stores it. Raises Refused (400) for a null or a missing type."""
    kind = resource.get("resourceType")
    if not isinstance(kind, str) or not kind:
        raise Refused(structure("Missing resource type"))
    content = _clean(dict(resource), kind)
    assert isinstance(content, dict)
    return content


def _clean(value: object, at: str) -> object:
    match value:
        case None:
            raise Refused(structure("Invalid null value", at))
        case dict():
            kept = {k: _clean(v, f"{at}.{k}") for k, v in value.items()}
            return {k: v for k, v in kept.items() if v not in ("", [], {})}
        case list():
            return [_clean(v, at) for v in value]
    return value


def without_ours(content: Json) -> Json:
    """What a client can change: two of these that are equal make no new version."""
    meta = content.get("meta")
    rest = {k: v for k, v in meta.items() if k not in OURS} if isinstance(meta, dict) else {}
    return {**content, "meta": rest}


def tags(meta: Json) -> tuple[str, ...]:
    """The tags as `system|code`."""
    listed = meta.get("tag")
    if not isinstance(listed, list):
        return ()
    return tuple(f"{tag.get('system', '')}|{tag.get('code', '')}" for tag in listed if isinstance(tag, dict))


def compartments(project: str, content: Json) -> Iterator[str]:
    """The project's and, where a patient is the subject or the resource itself, that patient's."""
    yield f"Project/{project}"
    if content["resourceType"] == "Patient":
        yield f"Patient/{content['id']}"
        return
    for name in ("subject", "patient"):
        link = content.get(name)
        reference = link.get("reference") if isinstance(link, dict) else None
        if isinstance(reference, str) and reference.startswith("Patient/"):
            yield reference
            return
