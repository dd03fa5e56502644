"""Images and masks as plain files (NIfTI, Analyze, NRRD, MetaImage): what a folder holds, whether a file is whole, and its voxels."""
