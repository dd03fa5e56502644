"""Write, open, describe and compare releases."""
