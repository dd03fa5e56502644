"""From rows to events: OMOP, FHIR, OSIRIS and declared tables."""
