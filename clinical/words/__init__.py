"""What records are written in: concepts, units, vocabularies, closed lists and partial dates."""
