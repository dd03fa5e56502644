"""What custodians do: look, decide, look back, rotate, exchange without clear text."""
