"""Topics and subscriptions: the difference to the catalog, and its mending through Google's own clients.

Topic, filter and ordering of a subscription are immutable: a difference there is refused, with the way to do it. Labels
of others are kept. Extra is what bears our label and is not in the catalog, and every foreign subscription of a topic of
ours: it reads along.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from handlers.provisioning import facts, teams
from handlers.provisioning.changes import Act, Change, compared
from handlers.provisioning.deployment import Deployment
from handlers.provisioning.refusals import in_our_words
from handlers.provisioning.wanted import LABELS, USUAL, Retry, requests, topics
from shared.settings import Settings, Zone

if TYPE_CHECKING:
    from google.pubsub_v1 import PublisherAsyncClient, SubscriberAsyncClient

TOPIC, SUBSCRIPTION = "topic", "subscription"
_WAY = "drain it, then `./dev provision --apply --delete {name}`, which loses what it still holds and makes it anew"


class PubSubArea:
    """`url` gives a zone's https URL."""

    name = "pubsub"

    def __init__(
        self,
        settings: Settings,
        deployment: Deployment,
        publisher: "PublisherAsyncClient",
        subscriber: "SubscriberAsyncClient",
        *,
        url: Callable[[Zone], str],
        retry: Retry = USUAL,
    ) -> None:
        self._project = f"projects/{settings.gcp_project}"
        self._publisher, self._subscriber = publisher, subscriber
        self._topics = {_short(one["name"]): one for one in topics(settings, deployment)}
        every = (*requests(settings, url=url, retry=retry), *teams.requests(settings, deployment, retry))
        self._subscriptions = {_short(one["name"]): one for one in every}

    async def plan(self) -> list[Change]:
        from google.pubsub_v1 import types

        with in_our_words():
            listed = await self._publisher.list_topics(project=self._project)
            found_topics = {_short(one.name): types.Topic.pb(one) async for one in listed}
            subscribed = await self._subscriber.list_subscriptions(project=self._project)
            found = {_short(one.name): types.Subscription.pb(one) async for one in subscribed}
        changes = []
        for name, wanted in self._topics.items():
            there = found_topics.get(name)
            changes.append(
                compared(
                    self.name,
                    TOPIC,
                    name,
                    facts.topic(types.Topic.pb(types.Topic(wanted)), LABELS),
                    there and facts.topic(there, LABELS),
                )
            )
        for name, wanted in self._subscriptions.items():
            there = found.get(name)
            changes.append(
                compared(
                    self.name,
                    SUBSCRIPTION,
                    name,
                    facts.subscription(types.Subscription.pb(types.Subscription(wanted)), LABELS),
                    there and facts.subscription(there, LABELS),
                    fixed=facts.IMMUTABLE,
                    way=_WAY.format(name=name),
                )
            )
        return changes + self._extra(found_topics, found)

    async def apply(self, change: Change) -> None:
        paths = {field.partition(".")[0] for field in change.fields}
        with in_our_words():
            if change.kind == TOPIC:
                await self._apply_topic(self._topics[change.name], change.act, paths)
            else:
                await self._apply_subscription(self._subscriptions[change.name], change.act, paths)

    async def _apply_topic(self, wanted: dict[str, Any], act: Act, paths: set[str]) -> None:
        from google.pubsub_v1 import types

        if act is Act.CREATE:
            await self._publisher.create_topic(request=wanted)
            return
        if "labels" in paths:
            there = await self._publisher.get_topic(topic=wanted["name"])
            wanted = wanted | {"labels": {**there.labels, **LABELS}}
        request: Any = {"topic": types.Topic(wanted), "update_mask": {"paths": sorted(paths)}}
        await self._publisher.update_topic(request=request)

    async def _apply_subscription(self, wanted: dict[str, Any], act: Act, paths: set[str]) -> None:
        from google.pubsub_v1 import types

        if act is Act.CREATE:
            await self._subscriber.create_subscription(request=wanted)
            return
        if "push_config" in paths:
            push: Any = {"subscription": wanted["name"], "push_config": wanted.get("push_config", {})}
            await self._subscriber.modify_push_config(request=push)
        if "labels" in paths:
            there = await self._subscriber.get_subscription(subscription=wanted["name"])
            wanted = wanted | {"labels": {**there.labels, **LABELS}}
        if rest := sorted(paths - {"push_config"}):
            request: Any = {"subscription": types.Subscription(wanted), "update_mask": {"paths": rest}}
            await self._subscriber.update_subscription(request=request)

    async def delete(self, change: Change) -> None:
        with in_our_words():
            if change.kind == TOPIC:
                await self._publisher.delete_topic(topic=f"{self._project}/topics/{change.name}")
            else:
                await self._subscriber.delete_subscription(subscription=f"{self._project}/subscriptions/{change.name}")

    def _extra(self, found_topics: Mapping[str, Any], found: Mapping[str, Any]) -> list[Change]:
        def ours(labels: Mapping[str, str]) -> bool:
            return all(labels.get(name) == value for name, value in LABELS.items())

        changes = []
        for name, there in found_topics.items():
            if name not in self._topics and ours(there.labels):
                changes.append(Change(self.name, TOPIC, name, Act.EXTRA, how="no handler that is served names it"))
        for name, there in found.items():
            if name in self._subscriptions:
                continue
            if _short(there.topic) in self._topics:
                how = f"reads along on {_short(there.topic)}, and is neither a handler's nor a team's"
                changes.append(Change(self.name, SUBSCRIPTION, name, Act.EXTRA, how=how))
            elif ours(there.labels):
                how = "no handler that is served names it"
                changes.append(Change(self.name, SUBSCRIPTION, name, Act.EXTRA, how=how))
        return changes


async def provision(
    settings: Settings,
    publisher: "PublisherAsyncClient",
    subscriber: "SubscriberAsyncClient",
    *,
    url: Callable[[Zone], str],
    retry: Retry = USUAL,
) -> list[str]:
    """For one machine: create what is missing and leave the rest; the names of what was created. Raises Refusal, Problem."""
    area = PubSubArea(settings, Deployment(), publisher, subscriber, url=url, retry=retry)
    made = []
    for change in await area.plan():
        if change.act is Act.CREATE:
            await area.apply(change)
            made.append(change.name)
    return made


def _short(name: str) -> str:
    return name.rsplit("/", 1)[-1]
