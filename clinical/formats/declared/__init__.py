"""One module a format of clinical records; see `clinical.formats.declaration`."""
