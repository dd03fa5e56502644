"""The command line: a study, a release, plain files, the vault."""
