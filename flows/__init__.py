"""Prefect flows, the study file and the command line; no science in here."""
