"""Masks that models make: a model is run on each volume, or its masks are taken from a folder; checked, marked, compared."""
