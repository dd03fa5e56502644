"""The way back from a pseudonym, for one custodian or two."""
