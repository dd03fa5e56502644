"""Radiomic features of regions: what is extracted, how stable it is, what each column means."""
