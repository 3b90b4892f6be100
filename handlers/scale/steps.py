"""What to raise or shard, in order: each step moves the limit that binds before it, by what is cheapest to do.

First what is only configuration, then what somebody must grant, then more of everything.
"""

from dataclasses import dataclass

from handlers.scale.limits import Shape

TARGET = 10_000  # events a second
RATES = (10, 30, 100, 300, 1_000, 3_000, TARGET)


@dataclass(frozen=True, slots=True)
class Step:
    """`do`: what is changed against the step before; `how`: where."""

    do: str
    how: str
    shape: Shape


STEPS = (
    Step("as shipped: one tenant, one auditor", "-", Shape()),
    Step(
        "nine auditors",
        "`auditors` of the tenant; never more than nine: ten would spend the project's points and leave none to read with",
        Shape(auditors=9),
    ),
    Step(
        "twenty times Medplum's points",
        "`userFhirQuota` and `totalFhirQuota` in the Project's `systemSetting`: a super admin's, or Medplum's support",
        Shape(auditors=9, quota=20),
    ),
    Step(
        "four tenants",
        "a Medplum project for each hospital or site; each has points, clients, keys and a dataset of its own",
        Shape(auditors=9, quota=20, tenants=4),
    ),
    Step(
        "ten times the requests of an address",
        "`rateLimit` in the Project's `systemSetting`; or more addresses of the NAT",
        Shape(auditors=9, quota=20, tenants=4, requests=10),
    ),
    Step(
        "thirty instances",
        "`maxScale` of the clinical zone in `service.yaml`; divide `STARVIT_DLP_PER_MINUTE` anew",
        Shape(auditors=9, quota=20, tenants=4, requests=10, instances=30),
    ),
    Step(
        "nine cells",
        "a Google Cloud project with the four zones for each four tenants: every Google quota nine times",
        Shape(auditors=9, quota=20, tenants=4, requests=10, instances=30, cells=9),
    ),
)
