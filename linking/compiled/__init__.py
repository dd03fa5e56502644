"""The inner loop of the temporal join, compiled."""
