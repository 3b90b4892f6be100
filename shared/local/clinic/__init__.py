"""A small clinic that never was: people, visits and notes, made from a seed for the demo and the tests.

    seed ─► Clinic ─► operations (create, update, delete) ─► the caller ─► Medplum
                 ▲                                              │
                 └────────── stored: the ids it was given ◄─────┘
                 └─► identifiers: all that must never be seen outside Medplum ─► shared.local.scan

No person, note or number comes from anywhere but here; the codes are those of the official code systems.
"""

from shared.local.clinic.clinic import Clinic
from shared.local.clinic.identifiers import Form, Identifier, Identifiers, Secrecy
from shared.local.clinic.operations import Operation

__all__ = ["Clinic", "Form", "Identifier", "Identifiers", "Operation", "Secrecy"]
