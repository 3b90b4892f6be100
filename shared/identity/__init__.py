"""Who is asking: tokens of pushes, signatures of webhooks, and the ids that events go by."""
