"""Order that a patient be forgotten, and see it proven (ops).

    orders.py    an order in rounds: publish, wait for the proof of each dataset, until a round finds nothing
    command.py   `./dev erase` and `./dev erase show`

Ops can read neither Medplum nor the warehouse: what it orders is done by the zones that have the right
(handlers/erase.py, then handlers/analytics.py), and what it reads is counts.
"""
