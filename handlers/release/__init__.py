"""From a commit to a running revision: the image's root, its bill of materials, the scan, the shift of traffic, the way back.

For the build alone; not in the image.
"""
