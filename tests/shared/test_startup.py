"""What a process refuses to start with: key files, embedded parts in the cloud, a secret too many or too few."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared.settings import Settings, Tenant, Zone
from shared.startup import held_by, refusals
from shared.telemetry.logs import FIELDS
from tests.tenant import environment, tenant_json

ROOT = Path(__file__).resolve().parents[2]
CLOUD = {"K_SERVICE": "starvit-clinical"}


def clouded(zone: str = "clinical", **changed: Any) -> Settings:
    """Settings that are right for the cloud, but for what is changed."""
    good = {
        "ZONE": Zone(zone),
        "tenants": (Tenant.model_validate(tenant_json(zone)),),
        "public_url": "https://clinical.example",
        "ledger": f"firestore:{zone}",
    }
    return Settings.model_validate(good | changed)


@pytest.mark.parametrize("zone", ["ingress", "clinical", "analytics"])
def test_a_zone_with_its_own_secrets_starts(zone: str) -> None:
    assert list(refusals(clouded(zone), CLOUD)) == []


@pytest.mark.parametrize("zone", list(Zone))
def test_what_a_zone_is_handed_of_a_tenant_is_what_it_may_hold_and_all_that_it_needs(zone: Zone) -> None:
    whole = Tenant.model_validate(
        tenant_json()
        | {"sweeper": {"id": "sweeper", "secret": "sweeper-secret"}, "graph_token": "graph-token"}
        | {"also": [{"dataset": "second", "pseudonym_key": "ab" * 32, "key_id": "k2"}]}
    )
    graph = {"tigergraph_url": "http://127.0.0.1:9"} if zone in (Zone.ANALYTICS, Zone.ALL) else {}
    given = Settings.model_validate({"ZONE": zone, "local": True, "tenants": (held_by(zone, whole),), **graph})
    assert list(refusals(given, {})) == []


BAD: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "a key file": ({}, {"GOOGLE_APPLICATION_CREDENTIALS": "/canary.json"}, "GOOGLE_APPLICATION_CREDENTIALS"),
    "the local permission": ({"local": True}, {}, "local"),
    "an embedded Pub/Sub": ({"pubsub_endpoint": "canary:1"}, {}, "pubsub_endpoint"),
    "an embedded DLP": ({"dlp_endpoint": "canary:1"}, {}, "dlp_endpoint"),
    "text that no DLP has read": ({"text": "local"}, {}, "text is local"),
    "an embedded BigQuery": ({"bigquery_endpoint": "canary:1"}, {}, "bigquery_endpoint"),
    "an embedded BigQuery's REST": ({"bigquery_url": "http://canary:1"}, {}, "bigquery_url"),
    "another token issuer's keys": ({"jwks_url": "https://canary.example/certs"}, {}, "jwks_url"),
    "a look-alike of Google's keys": ({"jwks_url": "https://www.googleapis.com.canary.example/"}, {}, "jwks_url"),
    "a ledger of its own": ({"ledger": "sqlite:/canary"}, {}, "ledger"),
    "a ledger in memory": ({"ledger": "memory"}, {}, "ledger"),
    "plain http to Medplum": ({"medplum_url": "http://canary.example"}, {}, "medplum_url"),
    "plain http for itself": ({"public_url": "http://canary.example"}, {}, "public_url"),
    "sessions of a key of our own": ({"console_key": "a1" * 32}, {}, "console_key"),
    "another proxy's keys": ({"console_keys_url": "https://canary.example/jwk"}, {}, "console_keys_url"),
    "a console over plain http": ({"console_url": "http://canary.example"}, {}, "console_url"),
    "a console with no proxy before it": ({"console_roles": {"canary@x.example": ("viewer",)}}, {}, "console_audience"),
    "plain http to TigerGraph": ({"tigergraph_url": "http://canary.example"}, {}, "tigergraph_url"),
    "a graph where PHI is": (
        {"tigergraph_url": "https://canary.example"},
        {},
        "tigergraph_url is not for zone clinical",
    ),
    "no tenant": ({"tenants": ()}, {}, "tenants"),
}


@pytest.mark.parametrize("why", BAD)
def test_the_cloud_refuses_what_belongs_on_one_machine_and_quotes_no_value(why: str) -> None:
    changed, more, setting = BAD[why]
    reasons = list(refusals(clouded(**changed), CLOUD | more))
    assert any(setting in reason for reason in reasons)
    assert "canary" not in " ".join(reasons)
    form = FIELDS["setting"]
    assert isinstance(form, re.Pattern)
    assert all(form.fullmatch(reason) for reason in reasons), "it is logged, not dropped"


def test_the_ops_zone_starts_without_a_secret_and_refuses_an_index_of_its_own() -> None:
    ops = {"tenants": (Tenant.model_validate(tenant_json("ops")),), "dead_letters": "firestore:ops"}
    assert list(refusals(clouded("ops", **ops), CLOUD)) == []
    alone = clouded("ops", **(ops | {"dead_letters": "sqlite:/canary"}))
    assert list(refusals(alone, CLOUD)) == ["dead_letters must be firestore: instances and operators share it"]


def test_the_cloud_refuses_all_zones_in_one() -> None:
    settings = clouded("all", ledger="firestore:all")
    assert any("ZONE=all" in reason for reason in refusals(settings, CLOUD))
    assert not list(refusals(settings, {}))


@pytest.mark.parametrize(
    ("endpoint", "good"),
    [("http://127.0.0.1:4318/v1/traces", True), ("https://x.example", True), ("http://127.0.0.1.evil.example", False)],
)
def test_spans_leave_in_the_open_to_a_sidecar_alone(endpoint: str, good: bool) -> None:
    settings = clouded(trace_exporter="otlp", trace_endpoint=endpoint)
    assert any("trace_endpoint" in reason for reason in refusals(settings, CLOUD)) is not good


@pytest.mark.parametrize("missing", ["event_key", "reader", "auditors", "pseudonym_key"])
def test_a_secret_that_is_missing_is_named(missing: str) -> None:
    less = {name: value for name, value in tenant_json("clinical").items() if name != missing}
    [reason] = refusals(clouded(tenants=(Tenant.model_validate(less),)), CLOUD)
    assert reason == f"tenant clinic: {missing} is missing"


@pytest.mark.parametrize("zone", ["ingress", "analytics"])
def test_a_secret_of_another_zone_stops_the_start(zone: str) -> None:
    too_much = Tenant.model_validate(tenant_json("all"))
    reasons = list(refusals(clouded(zone, tenants=(too_much,)), CLOUD))
    assert f"tenant clinic: pseudonym_key is not for zone {zone}" in reasons
    assert f"tenant clinic: reader is not for zone {zone}" in reasons


def test_an_empty_webhook_secret_would_let_anyone_sign() -> None:
    for hooks in ({"clinic": ()}, {"clinic": ("",)}, {"clinic": ("good", "")}):
        open_door = Tenant.model_validate(tenant_json("ingress") | {"webhooks": hooks})
        assert "tenant clinic: webhook clinic has an empty secret" in list(
            refusals(clouded("ingress", tenants=(open_door,)), {})
        )


def test_one_key_for_both_sides_of_the_door_would_join_them() -> None:
    same = Tenant.model_validate(tenant_json("clinical") | {"pseudonym_key": tenant_json()["event_key"]})
    assert "tenant clinic: event_key and pseudonym_key are the same" in list(refusals(clouded(tenants=(same,)), {}))


@pytest.mark.parametrize("order", [{"deadline": 40}, {"ack_deadline": 70}, {"lease": 60}])
def test_deadlines_in_another_order_are_no_settings(order: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="deadline < ack_deadline"):
        clouded(**order)


def test_two_tenants_share_nothing() -> None:
    one = tenant_json("ingress")
    other = one | {"project": "other", "name": "other", "dataset": "other"}
    for same in ("project", "name", "dataset", "webhooks"):
        both = (Tenant.model_validate(one), Tenant.model_validate(other | {same: one[same]}))
        with pytest.raises(ValueError, match=r"its own|belongs to one"):
            clouded("ingress", tenants=both)


def test_settings_print_without_their_secrets() -> None:
    text = repr(clouded()) + str(clouded())
    assert "reader-secret" not in text
    assert str(tenant_json()["event_key"]) not in text


def test_a_process_that_may_not_start_says_which_setting_and_ends() -> None:
    command = [sys.executable, "-c", "from handlers.app import create_app; create_app()"]
    given = environment("all", K_SERVICE="starvit", STARVIT_LEDGER="sqlite:/canary")
    result = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)
    assert result.returncode == 3
    assert "ZONE=all is for one machine" in result.stdout
    assert "canary" not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"STARVIT_DEADLINE": "canary"}, "deadline - float_parsing"),
        ({"STARVIT_DEADLINE": "50"}, "settings - value_error"),
        ({"STARVIT_TENANTS": '[{"project": "canary canary"}]'}, "tenants.0.project - string_pattern_mismatch"),
        ({"STARVIT_TENANTS": "canary"}, "settings can not be read"),
        ({"STARVIT_TENANTS_FILE": "/canary"}, "settings can not be read"),
        ({"ZONE": "canary"}, "ZONE - enum"),
    ],
)
def test_settings_that_are_none_are_named_and_not_quoted(wrong: dict[str, str], named: str) -> None:
    command = [sys.executable, "-c", "from handlers.app import create_app; create_app()"]
    given = environment("ingress") | wrong
    result = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)
    assert result.returncode == 3
    assert named in result.stdout
    assert "canary" not in result.stdout + result.stderr


def test_a_process_without_an_identity_says_what_it_lacks_and_halts() -> None:
    command = [sys.executable, "-m", "gunicorn", "-c", "python:handlers.server", "handlers.app:create_app()"]
    given = environment("ingress", STARVIT_HOST="127.0.0.1", PORT="0", PYTHONPATH=str(ROOT), NO_GCE_CHECK="true")
    given |= {"HOME": "/nonexistent", "CLOUDSDK_CONFIG": "/nonexistent"}
    result = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False, timeout=30)
    assert result.returncode == 3
    assert "could not start" in result.stdout
    assert "DefaultCredentialsError" in result.stdout


def test_gunicorn_halts_when_the_service_refuses_to_start() -> None:
    command = [sys.executable, "-m", "gunicorn", "-c", "python:handlers.server", "handlers.app:create_app()"]
    given = environment("ingress", STARVIT_TENANTS="[]", STARVIT_HOST="127.0.0.1", PORT="0", PYTHONPATH=str(ROOT))
    result = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False, timeout=30)
    assert result.returncode == 3
    assert result.stdout.count("tenants: none is configured") == 1


@pytest.mark.parametrize("zone", ["ingress", "analytics"])
def test_the_client_that_lists_resources_is_the_clinical_zones_alone(zone: str) -> None:
    sweeper = {"sweeper": {"id": "sweeper", "secret": "canary"}}
    listing = clouded(zone, tenants=(Tenant.model_validate(tenant_json(zone) | sweeper),))
    assert list(refusals(listing, CLOUD)) == [f"tenant clinic: sweeper is not for zone {zone}"]
    at_home = clouded("clinical", tenants=(Tenant.model_validate(tenant_json("clinical") | sweeper),))
    assert not list(refusals(at_home, CLOUD))


@pytest.mark.parametrize("url, token", [("https://canary.example", None), ("", "canary")])
def test_a_graph_needs_a_token_of_each_tenant_and_a_token_a_graph(url: str, token: str | None) -> None:
    tenant = Tenant.model_validate(tenant_json("analytics") | ({"graph_token": token} if token else {}))
    [reason] = refusals(clouded("analytics", tenants=(tenant,), tigergraph_url=url), CLOUD)
    assert reason == "tenant clinic: graph_token and tigergraph_url go together"


@pytest.mark.parametrize("zone", ["ingress", "clinical"])
def test_the_graphs_token_is_for_the_analytics_zone_alone(zone: str) -> None:
    tenant = Tenant.model_validate(tenant_json(zone) | {"graph_token": "canary"})
    [reason] = refusals(clouded(zone, tenants=(tenant,)), CLOUD)
    assert reason == f"tenant clinic: graph_token is not for zone {zone}"
