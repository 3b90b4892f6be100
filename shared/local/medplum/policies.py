"""AccessPolicies: what a client may do, by its ProjectMembership. Clients without a membership here may do everything.

A membership that names no policy allows everything too, as in Medplum. What a policy does not allow is 403. Left out:
criteria, hidden and read-only fields, compartments, parameters, IP rules, and what only project admins may.
"""

from shared.local.medplum.outcomes import FORBIDDEN, Json, Refused

_READS = frozenset({"read", "vread", "history", "search"})


class Policies:
    """Kept current by the store's changes."""

    def __init__(self) -> None:
        self._rules: dict[str, list[Json]] = {}  # by policy
        self._policies: dict[str, list[str]] = {}  # of a membership's profile

    def changed(self, type: str, id: str, content: Json | None) -> None:
        """A resource was written, or deleted (None)."""
        if type == "AccessPolicy":
            rules = content.get("resource") if content else None
            self._rules[f"AccessPolicy/{id}"] = rules if isinstance(rules, list) else []
        if type == "ProjectMembership" and content:
            access = content.get("access")
            granted = [one for one in access if isinstance(one, dict)] if isinstance(access, list) else []
            listed = [content.get("accessPolicy"), *(one.get("policy") for one in granted)]
            names = [str(one["reference"]) for one in listed if isinstance(one, dict)]
            profile = content.get("profile")
            if isinstance(profile, dict):
                self._policies[str(profile.get("reference"))] = names

    def check(self, profile: str, type: str, *interactions: str) -> None:
        """Raises Refused (403) unless all of these are allowed."""
        names = self._policies.get(profile)
        if not names:
            return
        rules = [
            rule for name in names for rule in self._rules.get(name, []) if rule.get("resourceType") in (type, "*")
        ]
        if not all(any(_lets(rule, interaction) for rule in rules) for interaction in interactions):
            raise Refused(FORBIDDEN)


def _lets(rule: Json, interaction: str) -> bool:
    listed = rule.get("interaction")
    if isinstance(listed, list):
        return interaction in listed
    return interaction in _READS if rule.get("readonly") else True
