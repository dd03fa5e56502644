"""Normalisation models: learned once, frozen, and applied to the samples still to come."""
