"""The identity ledger: who is who across sources and centres."""
