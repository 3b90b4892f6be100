"""What stands in for the cloud on one machine. Never in the image; the service refuses it in the cloud (design §5)."""
