"""Voxels for those who train models: each volume and its masks as one store that loads at once."""
