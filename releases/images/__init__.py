"""Voxels in a release: stores that load at once, further copies of them, and the program that reads them."""
