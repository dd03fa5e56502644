"""The study file and the folders of a study."""
