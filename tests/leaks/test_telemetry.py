"""Every way of telling something, with a canary in it: none may reach stdout or stderr (style: allow-lists, not redaction).

Each case runs in a process of its own, with the service's logging started as the service starts it.
"""

import copy
import json
import pickle
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from shared.phi import MASK, Phi
from shared.telemetry.logs import FIELDS

ROOT = Path(__file__).resolve().parents[2]
CANARY = "Canaryfamily"
START = "from shared.telemetry.logs import log, start_logging; start_logging('DEBUG')\n"
HOOKS = "from shared.telemetry.uncaught import close_streams, start_hooks; start_hooks(); close_streams()\n"

CHANNELS = {
    "a field that is not listed": "log('m', name='Canaryfamily')",
    "a listed field of another type": "log('m', status='Canaryfamily', handler=['Canaryfamily'])",
    "a listed field with text in it": "log('m', handler='Canaryfamily Smith <x>')",
    "a listed field beyond its size": "log('m', handler='Canaryfamily' * 50)",
    "a Phi in a listed field": "from shared.phi import Phi; log('m', handler=Phi('Canaryfamily'))",
    "logging with an argument": "import logging; logging.getLogger('x').warning('name %s', 'Canaryfamily')",
    "logging with an f-string": "import logging; logging.getLogger('x').error(f'name {\"Canaryfamily\"}')",
    "logging with extra": "import logging; logging.getLogger('x').error('m', extra={'name_': 'Canaryfamily'})",
    "logging an exception": """
import logging
try: raise ValueError('Canaryfamily')
except ValueError: logging.getLogger('x').exception('m Canaryfamily')""",
    "logging with the stack": "import logging; logging.getLogger('x').error('Canaryfamily', stack_info=True)",
    "httpx at INFO": """
import asyncio, httpx
async def ask():
    async with httpx.AsyncClient(transport=httpx.MockTransport(lambda r: httpx.Response(200))) as http:
        await http.get('https://medplum.example/Patient?name=Canaryfamily')
asyncio.run(ask())""",
    "a warning": "import warnings; warnings.simplefilter('always'); warnings.warn('Canaryfamily')",
    "uvicorn's logger": "import logging; logging.getLogger('uvicorn.error').error('Canaryfamily')",
    "uvicorn's access logger": "import logging; logging.getLogger('uvicorn.access').info('GET /Canaryfamily')",
    "gunicorn's logger": "import logging; logging.getLogger('gunicorn.error').critical('Canaryfamily')",
    "Google's loggers": "import logging; logging.getLogger('google.api_core').warning('row Canaryfamily')",
    "asyncio's logger": """
import asyncio
async def forgotten():
    async def fail(): raise ValueError('Canaryfamily')
    asyncio.create_task(fail()); await asyncio.sleep(0.01)
asyncio.run(forgotten()); import gc; gc.collect()""",
    "a message that is not listed": "log('patient Canaryfamily')",
    "a severity that is none": "log('message', 'Canaryfamily')",
    "a logger named after a value": "import logging; logging.getLogger('Canaryfamily').error('m')",
    "a reference in a listed field": "log('message', handler='Patient/Canaryfamily', subscription='Patient/Canaryfamily')",
    "an exception that nobody caught": HOOKS + "raise ValueError('Canaryfamily')",
    "an exception in a thread": HOOKS
    + """
import threading
def fail(): raise ValueError('Canaryfamily')
thread = threading.Thread(target=fail, name='Canaryfamily'); thread.start(); thread.join()""",
    "an exception in a finaliser": HOOKS
    + """
class Canaryfamily:
    def __del__(self): raise ValueError('Canaryfamily')
Canaryfamily()""",
    "print": HOOKS + "print('Canaryfamily')",
    "print to stderr": HOOKS + "import sys; print('Canaryfamily', file=sys.stderr)",
    "a traceback printed": HOOKS
    + """
import traceback
try: raise ValueError('Canaryfamily')
except ValueError: traceback.print_exc()""",
    "gRPC's own log": HOOKS
    + """
import grpc
channel = grpc.insecure_channel('dns:///Canaryfamily.invalid:1')
try: channel.unary_unary('/Canaryfamily/Canaryfamily')(b'Canaryfamily', timeout=0.2)
except grpc.RpcError as error: log('library', exception=type(error).__name__)""",
    "structlog itself": "import structlog; structlog.get_logger().info('m', patient='Canaryfamily')",
    "a handler's unknown failure": """
from shared.telemetry.report import failed
from handlers.analytics import ON
try: raise ValueError('Canaryfamily')
except ValueError as error: failed(ON, error)""",
    "an endpoint's unknown failure": """
from shared.telemetry.report import crashed
try: {}['Canaryfamily']
except KeyError as error: crashed(error)""",
}


DIES = {"an exception that nobody caught"}
SILENT = {"httpx at INFO", "uvicorn's access logger"}


def _told(code: str) -> str:
    command = [sys.executable, "-c", START + code]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == (1 if code in {CHANNELS[name] for name in DIES} else 0), result.returncode
    return result.stdout + result.stderr


@pytest.mark.parametrize("channel", CHANNELS)
def test_no_channel_tells_a_canary(channel: str) -> None:
    told = _told(CHANNELS[channel])
    assert "Canary" not in told
    assert (channel in SILENT) is not bool(told.strip()), "something was told, and it was not that"
    for line in told.splitlines():
        assert json.loads(line)["severity"]


def test_what_is_dropped_is_counted_and_what_is_listed_is_kept() -> None:
    line = json.loads(_told("log('message', 'WARNING', handler='deid', status=204, name='Canary', other=1)"))
    assert (line["message"], line["severity"], line["handler"], line["status"]) == ("message", "WARNING", "deid", 204)
    assert line["dropped_fields"] == 2


def test_a_thread_has_cloud_loggings_own_field() -> None:
    line = json.loads(_told(f"start_logging('INFO', 'p'); log('m', trace='{'1' * 32}')"))
    assert line["logging.googleapis.com/trace"] == f"projects/p/traces/{'1' * 32}"
    assert {"time", "severity", "message"} <= set(line)


def test_a_librarys_exception_keeps_its_class_and_place() -> None:
    line = json.loads(_told(CHANNELS["logging an exception"]).splitlines()[-1])
    assert (line["logger"], line["exception"]) == ("other", "ValueError")


def test_no_listed_field_is_free_text() -> None:
    assert not {"text", "detail", "error", "body", "url", "path", "query", "name", "id", "resource"} & set(FIELDS)


@dataclass
class Holder:
    value: Phi[str]


def test_phi_has_no_text_form() -> None:
    phi = Phi(CANARY)
    texts = [
        str(phi),
        repr(phi),
        f"{phi}",
        f"{phi!r}",
        f"{phi:>20}",
        "%s" % phi,  # noqa: UP031 - it is the way that is tried
        "{}".format(phi),  # noqa: UP032
        str([phi]),
        repr({"x": phi}),
        repr(Holder(phi)),
        str(asdict(Holder(phi))),
        bytes(phi).decode(),
        json.dumps(phi, default=str),
        json.dumps({"x": phi}, default=repr),
        str(ValueError(phi)),
        repr(copy.copy(phi)),
        repr(copy.deepcopy(phi)),
    ]
    assert all("Canary" not in text for text in texts)
    assert all(MASK in text for text in texts)


@pytest.mark.parametrize(
    "way", [pickle.dumps, json.dumps, lambda phi: phi + "", lambda phi: phi.value, vars, len, iter, sorted]
)
def test_phi_refuses_what_it_can_not_mask(way: object) -> None:
    with pytest.raises((TypeError, AttributeError)) as raised:
        way(Phi(CANARY))  # type: ignore[operator]
    assert "Canary" not in str(raised.value)


def test_phi_is_no_oracle() -> None:
    assert Phi(CANARY) != Phi(CANARY)


def test_a_failing_assertion_shows_no_phi(tmp_path: Path) -> None:
    test = tmp_path / "test_it.py"
    test.write_text(
        "from shared.phi import Phi\n"
        "def test_it():\n"
        "    given = Phi('Canary' + 'family')\n"
        "    holder = {'patient': given}\n"
        "    assert holder == {'patient': Phi('x')}, given\n"
    )
    command = [sys.executable, "-m", "pytest", "-l", "-p", "no:cacheprovider", "-n", "0", "-c", "/dev/null", str(test)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert MASK in result.stdout
    assert CANARY not in result.stdout


def test_a_model_that_refuses_a_value_does_not_quote_it() -> None:
    from pydantic import ValidationError

    from shared.events.data import Changed
    from shared.settings import Tenant

    for model in (Changed, Tenant):
        with pytest.raises(ValidationError) as raised:
            model.model_validate({"project": "Canary family", "event_key": "Canary", "id": ["Canary"]})
        assert "Canary" not in str(raised.value)
