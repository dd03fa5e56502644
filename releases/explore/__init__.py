"""A release looked at by those entitled to its tables: cohorts by filters over all modalities, on this machine alone."""
