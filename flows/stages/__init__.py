"""One module per stage of a build: each calls one room, maps its units, and leaves tables for the next stage."""
