"""DICOM files to series, and series to volumes with units."""
