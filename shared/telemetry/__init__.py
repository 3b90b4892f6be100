"""What the service tells of itself: logs and traces, from allow-lists, without PHI."""
