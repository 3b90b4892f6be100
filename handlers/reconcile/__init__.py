"""Find every change that Medplum never told us of.

    Medplum: what is there ──────► pseudonyms ─┐
    Medplum: versions of each ───► pseudonyms ─┼─► [compare] ─► missing, stale ─► fhir.changed, under the usual ce-id
    BigQuery: keys and versions ───────────────┘             └► vanished ──────► a tombstone on fhir.deidentified

Medplum gives up on a webhook after five tries, and drops some without one (docs/decisions). What is there and is not in
the warehouse is published again, as the webhook would have been; the ledger and the sinks see to it that nothing is
done twice. No search shows a deletion: a key of the warehouse whose resource is not among those that are there has vanished.

    compare.py    what differs, as a pure function          sweep.py    one type of one tenant, over the ports
    publish.py    the events                                rounds.py   the types in turn, marks, one at a time
    command.py    ./dev reconcile, ./dev backfill           endpoint.py for Cloud Scheduler
"""
