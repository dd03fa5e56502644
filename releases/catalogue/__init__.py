"""Catalogue records of releases, and the site that shows them."""
