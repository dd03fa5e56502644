"""De-identified images and our own results, to an archive for research."""
