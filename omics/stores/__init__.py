"""AnnData on disk, and cohorts larger than memory."""
