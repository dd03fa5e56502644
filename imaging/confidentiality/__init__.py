"""DICOM PS3.15 Annex E as data and as code: what to do with every attribute, on two paths that agree, and the proof after."""
