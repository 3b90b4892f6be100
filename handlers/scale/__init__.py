"""What an event costs, where each quota binds, and the way to ten thousand events a second (docs/scale.md).

    schemas/scale.toml: prices, quotas, what was measured, each with its source ─┐
    the code's own numbers: hops, batches, points, settings ─────────────────────┼─► facts.py
                                                                                 │
    bill.py    facts ─► cost of a million events, line by line      ◄────────────┤
    limits.py  facts, shape ─► each limit as events a second: what an event asks over what there is
    steps.py   what to raise or shard, in order: a shape for each step
    simulate.py the same path with the quotas as servers in virtual time: what gets through, what waits, what binds
    tables.py  the tables of docs/scale.md

Not part of any zone: only the documents, a test and `./dev bench scale` import it.
"""
