"""The parts of the fault campaign: calls that fail on request, and what each kind of fault does to a night."""
