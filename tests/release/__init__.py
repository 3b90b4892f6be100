"""The release: decided from numbers, done by gcloud, and undone when the numbers are bad."""
