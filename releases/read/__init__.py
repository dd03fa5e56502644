"""Open, compare and explain releases."""
