"""Releases in other forms: extracts, cBioPortal, Define-XML."""
