"""Documents inside DICOM objects (0042,0011): read by the grammar of their format, and written anew from what was read."""
