"""A stand-in for Medplum: see server.py."""

from shared.local.medplum.delivery import Fate, Faults, Stats
from shared.local.medplum.hooks import Hook
from shared.local.medplum.server import Medplum

__all__ = ["Fate", "Faults", "Hook", "Medplum", "Stats"]
