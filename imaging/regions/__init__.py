"""Regions of an image: structure sets, segmentations and mask files to masks on its grid."""
