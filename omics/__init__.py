"""Assays: readers, gates, normalisation, frozen models."""
