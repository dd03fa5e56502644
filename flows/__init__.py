"""Prefect flows, the study file and the command line; no science in here.

Importing this package sets what keeps the libraries below it from speaking to anyone outside: it must come before
the first import of Prefect.
"""

from unibase.flows.runs.silence import silence

silence()
