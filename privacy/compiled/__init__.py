"""The inner loops of record linkage, compiled."""
