"""Service accounts: one for each zone, one for each caller. No keys: workload identity only."""

from collections.abc import Mapping

from handlers.provisioning.changes import Act, Change, Refusal, compared
from handlers.provisioning.rest import Google

_HOST = "iam.googleapis.com"
_OURS = ("starvit-", "push-")


class AccountsArea:
    """`wanted`: e-mail → what it is for."""

    name = "iam"

    def __init__(self, google: Google, project: str, wanted: Mapping[str, str]) -> None:
        self._google, self._path, self._wanted = google, f"v1/projects/{project}/serviceAccounts", wanted

    async def plan(self) -> list[Change]:
        found = await self._list()
        changes = [
            compared(self.name, "account", email, {"disabled": False}, found.get(email)) for email in self._wanted
        ]
        for email in found:
            if email not in self._wanted and email.startswith(_OURS):
                how = "no zone and no handler that is served has it"
                changes.append(Change(self.name, "account", email, Act.EXTRA, how=how))
        return changes

    async def apply(self, change: Change) -> None:
        if change.act is Act.CREATE:
            account = {"accountId": change.name.partition("@")[0]}
            body = account | {"serviceAccount": {"displayName": self._wanted[change.name]}}
            answer = await self._google.ask("POST", _HOST, self._path, body=body)
        else:
            answer = await self._google.ask("POST", _HOST, f"{self._path}/{change.name}:enable", body={})
        if answer is None:
            raise Refusal("the project is not there, or the IAM API is not enabled in it")

    async def delete(self, change: Change) -> None:
        await self._google.ask("DELETE", _HOST, f"{self._path}/{change.name}")

    async def _list(self) -> dict[str, dict[str, object]]:
        found: dict[str, dict[str, object]] = {}
        query = {"pageSize": "100"}
        while True:
            page = await self._google.ask("GET", _HOST, self._path, query=query) or {}
            for account in page.get("accounts", ()):
                found[account["email"]] = {"disabled": account.get("disabled", False)}
            if not page.get("nextPageToken"):
                return found
            query["pageToken"] = page["nextPageToken"]
