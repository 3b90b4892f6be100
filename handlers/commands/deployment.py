"""For whoever deploys the service: what the cloud lacks, what is wrong, what is known against a package, steps and a way back."""

import argparse

from handlers.commands.given import ROOT, Commands


def add(commands: Commands) -> None:
    """Put them into the parser."""
    _provision_parser(commands.add_parser("provision", help="what the catalog wants against what the cloud has"))
    _doctor_parser(commands.add_parser("doctor", help="what is wrong with this deployment or a Medplum project"))

    audit = commands.add_parser("audit", help="the locked packages: their licences, and what is known against them")
    audit.add_argument("--strict", action="store_true", help="fail if vulnerabilities can not be looked up")
    audit.set_defaults(run=_audit)

    smoke = commands.add_parser("smoke", help="what answers at this URL, from outside: health, shut doors, headers")
    smoke.add_argument("url", metavar="URL")
    smoke.add_argument("--zone", choices=("ingress", "clinical", "analytics", "ops", "all"), default="all")
    smoke.add_argument("--identity", action="store_true", help="with this machine's service account's token")
    smoke.set_defaults(run=_smoke)

    release = commands.add_parser("release", help="for the build: scan an image, deploy it by steps, go back")
    release.add_argument("verb", choices=("deploy", "scan", "print"))
    release.add_argument("--commit", default="unknown", help="names the revisions")
    release.add_argument("--look", type=float, default=15, metavar="S", help="seconds between two looks at the numbers")
    release.add_argument(
        "--patience", type=float, default=300, metavar="S", help="seconds that a quiet zone is watched"
    )
    release.set_defaults(run=_release)


def _provision_parser(provision: argparse.ArgumentParser) -> None:
    provision.add_argument("--apply", action="store_true", help="create and change; without it, only the difference")
    provision.add_argument("--only", metavar="A,B", help="pubsub, bigquery, firestore, iam, scheduler, monitoring")
    provision.add_argument(
        "--delete", action="append", default=[], metavar="NAME", help="delete this one, if nobody wants it; repeatable"
    )
    provision.add_argument("--json", action="store_true", help="NDJSON, a line for each thing, instead of a list")
    provision.set_defaults(run=_provision)


def _doctor_parser(doctor: argparse.ArgumentParser) -> None:
    doctor.add_argument("--project", metavar="NAME", help="this tenant alone, by its public name")
    doctor.add_argument(
        "--fix-subscription", metavar="TYPE", help="write a correct Medplum Subscription for a resource type"
    )
    doctor.add_argument("--webhook", metavar="NAME", help="with --fix-subscription: which of the tenant's webhooks")
    doctor.add_argument("--apply", action="store_true", help="with --fix-subscription: write it, not only show it")
    doctor.add_argument("--json", action="store_true", help="NDJSON, a line for each finding, instead of a list")
    doctor.set_defaults(run=_doctor)


def _provision(options: argparse.Namespace) -> int:
    from handlers.provisioning.command import run

    return run(options)


def _doctor(options: argparse.Namespace) -> int:
    from handlers.doctor.command import run

    return run(options)


def _audit(options: argparse.Namespace) -> int:
    from handlers.audit_packages import run

    return run(ROOT, strict=options.strict)


def _smoke(options: argparse.Namespace) -> int:
    import asyncio

    from handlers.smoke import run
    from shared.settings import Zone

    return asyncio.run(run(options.url, Zone(options.zone), identity=options.identity))


def _release(options: argparse.Namespace) -> int:
    from handlers.release.command import run

    return run(options)
