"""The reference result of a release: what plain models reach on centres that they never saw."""
