# mypy: ignore-errors
"""Run by `./dev bench validate` in the peers' own Python: resources on stdin, figures on stdout.

Parsed resources, one call for each, CPU time, as ours. What each refuses of the valid ones and of the mutants is told too.
fhir.resources has no R4: R4B is the nearest. jsonschema-rs gets R4's schema type by type (all at once does not finish).
"""

import gc
import json
import statistics
import sys
import time
from pathlib import Path

ROUNDS = 31


def _fhir_resources(_):
    from fhir.resources.R4B import get_fhir_model_class

    def refuses(resource):
        try:
            get_fhir_model_class(resource["resourceType"]).model_validate(resource)
        except Exception:  # noqa: BLE001 - whatever it raises, it refuses
            return True
        return False

    return refuses


def _jsonschema_rs(schema):
    import jsonschema_rs

    definitions = json.loads(Path(schema).read_text())["definitions"] | {
        "integer64": {"type": "number"},
        "Resource": {"type": "object"},
    }
    made = {}

    def refuses(resource):
        name = resource.get("resourceType")
        if name not in definitions:
            return True
        if name not in made:
            made[name] = jsonschema_rs.validator_for({"$ref": f"#/definitions/{name}", "definitions": definitions})
        return not made[name].is_valid(resource)

    return refuses


def _timed(refuses, corpora):
    taken = {}
    for name, resources in corpora.items():
        rounds = []
        for _ in range(ROUNDS + 1):
            times, started = max(1, 100 // len(resources)), time.process_time()
            for resource in resources * times:
                refuses(resource)
            rounds.append((time.process_time() - started) / len(resources) / times)
        taken[name] = round(1e6 * statistics.median(rounds[1:]), 1)
    return taken


def main():
    given, answers = json.load(sys.stdin), {}
    gc.freeze()  # as for ours
    for name, peer in (("fhir.resources R4B", _fhir_resources), ("jsonschema-rs", _jsonschema_rs)):
        try:
            refuses = peer(given["schema"])
            answers[name] = {
                "us": _timed(refuses, given["corpora"]),
                "found": sum(map(refuses, given["mutants"])),
                "false_alarms": sum(map(refuses, given["valid"])),
            }
        except Exception as failure:  # noqa: BLE001 - whatever a peer does, it is told
            answers[name] = {"failed": f"did not run here: {type(failure).__name__}"}
    print(json.dumps(answers))


main()
