"""Texts in pixels: where they stand, what a person decides of them, and their blanking."""
