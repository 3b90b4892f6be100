"""What a deployment sets, what the operators' commands ask, and what the doctor looks at."""

from typing import Any

from handlers.doctor.findings import Check, Finding
from handlers.documents.table import table
from handlers.provisioning.deployment import Deployment
from shared.settings import Settings, Tenant


def settings_table() -> str:
    """Every setting with its default."""
    rows = [_setting(name, field) for name, field in Settings.model_fields.items()]
    return table(("variable", "default", "what it does"), rows)


def tenant_table() -> str:
    """The fields of one tenant in tenants.json."""
    rows = [(f"`{name}`", field.description or "") for name, field in Tenant.model_fields.items()]
    return table(("field", "what it is"), rows)


def deployment_table() -> str:
    """What only the operators' commands ask."""
    return table(
        ("variable", "default", "what it is"),
        [_setting(name, field) for name, field in Deployment.model_fields.items()],
    )


def doctor_table() -> str:
    """Every check of `./dev doctor`."""
    findings = [Finding(check, "", at="…", only=" --only AREA") for check in Check]
    rows = [(f"`{one.check.slug}`", one.check.value.severity, one.text, one.fix) for one in findings]
    return table(("code", "severity", "what is wrong", "what to do"), rows)


def _setting(name: str, field: Any) -> tuple[str, str, str]:
    variable = "ZONE" if name == "zone" else f"STARVIT_{name.upper()}"
    default = field.get_default(call_default_factory=True)
    shown = "-" if default in (None, "", (), {}) else ", ".join(default) if isinstance(default, tuple) else str(default)
    return f"`{variable}`", f"`{shown}`" if shown != "-" else "-", field.description
