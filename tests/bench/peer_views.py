# mypy: ignore-errors
"""Run by `./dev bench views --peers` in the peers' own Python: a view and resources on stdin, figures on stdout.

One call for each resource, parsed already, as the service has it; CPU time. Whether the rows are ours is told too.
"""

import json
import sys
import time

SECONDS = 3


def _pysof(view):
    import pysof

    def rows(resource):
        bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": resource}]}
        return json.loads(pysof.run_view_definition(view, bundle, "json"))

    return rows


def _sqlonfhir(view):
    import sqlonfhir

    return lambda resource: sqlonfhir.evaluate([resource], view)


def _timed(rows, given):
    same = [rows(resource) for resource in given["resources"]] == given["rows"]
    count, started = 0, time.process_time()
    while time.process_time() - started < SECONDS:
        rows(given["resources"][count % len(given["resources"])])
        count += 1
    return {"per_s": round(count / (time.process_time() - started)), "same": same}


def main():
    given, answers = json.load(sys.stdin), {}
    for name, peer in (("pysof", _pysof), ("sqlonfhir", _sqlonfhir)):
        try:
            answers[name] = _timed(peer(given["view"]), given)
        except Exception as failure:  # noqa: BLE001 - whatever a peer does, it is told
            answers[name] = {"failed": f"did not run here: {failure}"[:120]}
    print(json.dumps(answers))


main()
