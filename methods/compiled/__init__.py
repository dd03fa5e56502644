"""Numerical kernels that the methods share, compiled."""
