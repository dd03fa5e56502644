"""Cohort, index events, and the leakage-free temporal join of the modalities."""
