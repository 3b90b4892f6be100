"""CloudEvents 1.0 over Pub/Sub: what travels between the handlers, and how it is read and written."""
