"""From the files that tools write to matrices."""
