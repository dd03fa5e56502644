"""What comes in is known by evidence: how a table lies, what its rows and columns are, and what its numbers mean."""
