"""Where effects go: Pub/Sub, BigQuery, TigerGraph; each port with its memory twin."""
