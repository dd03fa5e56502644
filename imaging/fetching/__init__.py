"""Images from where a hospital keeps them: folders, archives, media, object stores, DICOMweb and DIMSE."""
