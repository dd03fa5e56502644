"""DICOM: de-identification, series to volumes, regions to masks, radiomic features."""
