"""What `./dev` can be told to do, by who tells it. Each command's own story is told where it is imported from.

machine.py     demo, test, serve, bench: whoever works on this service
data.py        deid, deid-text, validate, views, risk: files in, files out
operators.py   dlq, erase, reconcile, backfill, graph: whoever runs it
deployment.py  provision, doctor, audit, smoke, release: whoever deploys it
contracts.py   openapi, events: what others build on
given.py       what a command line says: paths, counts, shares
"""
