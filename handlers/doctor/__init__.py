"""`./dev doctor`: what is wrong with this deployment or with a Medplum project, each with its mending in one sentence.

    Medplum   Subscriptions that can never fire, clients that may too much or too little, quota, clock
    Google    provision's difference, read for what it breaks
    here      settings, signing keys, the ledger

A finding names configuration: a topic, a table, a Subscription's id. It never names a resource of a patient's, a criteria's
values or a secret. `--fix-subscription TYPE` writes a Subscription that fires.
"""
