"""What stands behind the endpoints, zone by zone. What a zone may not touch is not even imported for it.

wiring.py     what all have: the way out, keys, ledger, pipeline; it loads the modules of its own zone
ingress.py    webhooks
clinical.py   validation, deid, audit, erase, reconcile: whoever may see PHI
analytics.py  analytics, graph: whoever may not
ops.py        the index of dead letters, replays, the console
preload.py    what gunicorn loads once for all its workers
"""
