"""Loops of the engine that are compiled to machine code."""
