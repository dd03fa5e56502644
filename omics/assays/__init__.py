"""One module an assay: how a file of it is read, gated and joined with those of other centres."""
