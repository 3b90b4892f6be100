"""Who was erased, and the proofs: one small store in each zone's own ledger database.

    clinical    the pseudonyms that the door lets nothing of out
    analytics   the pseudonyms that the warehouse lets nothing of in; the proofs, which ops reads

There is no way to take a pseudonym off the list: who comes back after an erasure is a new patient (a new id).
"""
