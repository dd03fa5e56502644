"""Kernels of the assays, compiled."""
