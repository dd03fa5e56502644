"""Dose of radiotherapy on the regions of its images."""
