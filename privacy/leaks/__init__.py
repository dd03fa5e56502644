"""What must not leave, sought in all that leaves."""
