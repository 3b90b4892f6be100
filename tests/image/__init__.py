"""The image itself: built from the Dockerfile by buildah where there is no docker, and run read-only as nobody."""
