"""The door from PHI to SafeRow."""
