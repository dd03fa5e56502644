"""`python -m imaging.engine`: compile all loops now, so that no worker compiles later (for read-only installations)."""

from unibase.imaging.engine import precompile

if __name__ == "__main__":
    precompile()
