"""`./dev demo`: the whole path on one machine, judged. Never in the image."""
