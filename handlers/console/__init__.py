"""The operators' console, `/ops`: pages made on the server, of numbers, codes and keyed hashes. No PHI can come here.

    request ─► who is it? (people) ─► may they? (rights) ─► from our own form? (forms) ─► page ─► escaped HTML, strict headers

routes.py   every page: path, right, what bounds it         rights.py   roles and what each may
people.py   the proxy's assertion, or one machine's session  forms.py    what comes in: queries, forms, their tokens
live.py     the path as it is now                            letters.py  dead letters, the life of an event
plans.py    plan, approve, replay                            state.py    reconcile, the deployment
pages.py    templates, static files, headers                 wiring.py   the console with its ports

Ops orders; the zones that have the right do it. The console has no way to Medplum, to rows or to keys.
"""
