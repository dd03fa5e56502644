"""Masks seen by eye: a picture of each region on its image, what makes one suspect, and a sheet sorted by suspicion."""
