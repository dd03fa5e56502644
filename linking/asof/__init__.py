"""The temporal join: what was known of each subject at the index."""
