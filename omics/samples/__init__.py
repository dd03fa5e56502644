"""Samples and their persons: sheets, the door of staging, sex, duplicates, genotypes."""
