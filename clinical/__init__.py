"""Clinical records of OMOP, FHIR, OSIRIS and CSV to event timelines, and endpoints."""
