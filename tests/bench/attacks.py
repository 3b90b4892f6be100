"""`./dev bench attacks`: every attack of the corpus against the running application, and how many were refused."""

import asyncio
import json

from tests.attacks.corpus import FAMILIES, fought


def run(*, as_json: bool) -> int:
    """Fight and print; 1 if an attack got anywhere."""
    found = {family: asyncio.run(fought(family)) for family in FAMILIES}
    rows = [(name, len(family), len(family) - len(found[name])) for name, family in FAMILIES.items()]
    attacks, refused = sum(row[1] for row in rows), sum(row[2] for row in rows)
    if as_json:
        told = {name: {"attacks": count, "refused": good} for name, count, good in rows}
        print(json.dumps({"families": told, "attacks": attacks, "refused": refused}))
    else:
        print(f"{'family':<12} attacks  refused")
        for name, count, good in (*rows, ("all", attacks, refused)):
            print(f"{name:<12} {count:>7}  {good:>7}")
        for name, faults in ((name, faults) for family in found.values() for name, faults in family.items()):
            print(f"  {name}: {'; '.join(faults)}")
    return 0 if refused == attacks else 1
