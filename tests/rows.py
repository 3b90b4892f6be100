"""A row for tests of the warehouse: the tests change what matters to them."""

from shared.deid.row import SafeRow

ROW = SafeRow(
    project="north",
    resource_type="Patient",
    key="0" * 32,
    sequence="1/0/5e/10000",
    version="ab" * 16,
    generation=65536,
    deleted=False,
    policy="safe-harbor",
    policy_hash="cd" * 16,
    key_id="k1",
    resource={"resourceType": "Patient", "gender": "female"},
)
