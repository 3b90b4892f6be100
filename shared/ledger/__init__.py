"""Idempotency keys: who is working on an event, and how it ended. See port.py for the protocol."""
