"""Record linkage without clear text."""
