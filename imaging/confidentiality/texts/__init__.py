"""Texts by what is known, then by what is allowed: folding, dates, forms of identifiers, the vocabulary, and the cleaner."""
