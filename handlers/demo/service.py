"""The service under gunicorn, as the image runs it, on loopback: start, kill a worker, stop, start again changed."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from shared.settings import Settings

WORKERS = 2
_PATIENCE = 120.0  # seconds for a start; a machine with much else to do takes its time
_GRACE = 15.0  # seconds for a stop


@dataclass(slots=True)
class Service:
    """Gunicorn, its port, and the file that all its output goes to."""

    settings: Settings
    port: int
    log: Path
    concurrency: int = WORKERS
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.returncode is None

    async def start(self) -> None:
        """Return when it is ready. Raises RuntimeError when it does not get there."""
        environment = environment_of(self.settings) | {"PORT": str(self.port), "WEB_CONCURRENCY": str(self.concurrency)}
        with self.log.open("ab") as out:
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "gunicorn", "-c", "python:handlers.server", "handlers.app:create_app()"),
                env={**os.environ, **environment},
                stdout=out,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the demo, which then stops the service in order
            )
        try:
            async with asyncio.timeout(_PATIENCE), httpx.AsyncClient(trust_env=False) as http:
                while self.running and not await self._ready(http):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            await self.stop()
        if not self.running:
            raise RuntimeError(f"the service did not start; its log is {self.log}")

    async def stop(self) -> None:
        """SIGTERM, as Cloud Run stops a container; SIGKILL if that takes too long."""
        if self.process is None or not self.running:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.process.wait(), _GRACE)
        except TimeoutError:
            self.process.kill()
            await self.process.wait()

    async def restart(self, **changed: object) -> None:
        """Stop and start with other settings: a deployment."""
        await self.stop()
        self.settings = self.settings.model_copy(update=changed)
        await self.start()

    def kill_a_worker(self) -> bool:
        """kill -9 of the oldest worker: gunicorn starts another, and the dead one's leases have to end by themselves."""
        workers = self.workers()
        if workers:
            os.kill(workers[0], signal.SIGKILL)
        return bool(workers)

    def workers(self) -> list[int]:
        """The process ids of the workers, from /proc; none where there is no /proc."""
        if self.process is None:
            return []
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in children.read_text().split()] if children.exists() else []

    async def _ready(self, http: httpx.AsyncClient) -> bool:
        try:
            return (await http.get(f"{self.url}/v1/health/ready")).is_success
        except httpx.TransportError:
            return False


def environment_of(settings: Settings) -> dict[str, str]:
    """The settings as the environment variables that the service reads, secrets revealed."""
    plain = settings.model_dump(mode="json", exclude={"zone", "tenants", "tenants_file", "console_key"})
    plain["console_key"] = settings.console_key.get_secret_value() if settings.console_key else ""
    plain["tenants"] = [tenant.model_dump() for tenant in settings.tenants]
    return {**variables(plain), "ZONE": settings.zone, "STARVIT_HOST": "127.0.0.1"}


def variables(fields: Mapping[str, object]) -> dict[str, str]:
    """Settings' fields as environment variables, secrets revealed; an empty one is none."""
    return {f"STARVIT_{name.upper()}": _text(value) for name, value in fields.items() if value != ""}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(_revealed(value))


def _revealed(value: object) -> object:
    match value:
        case dict():
            return {key: _revealed(item) for key, item in value.items()}
        case list() | tuple():
            return [_revealed(item) for item in value]
        case _ if hasattr(value, "get_secret_value"):
            return value.get_secret_value()
    return value
