"""Mutational signatures refitted: how many of a sample's substitutions each given signature explains, from that sample alone.

Source: the least squares without negative contributions that MutationalPatterns' `fit_to_signatures` takes (Blokzijl et al., Genome
Medicine 2018, 10:33), by the algorithm of Lawson and Hanson as SciPy has it. Types are the 96 of Alexandrov et al., Nature 2013, 500:415.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from unibase.methods.compiled.exact import FloatArray

_PAIRS = ("C>A", "C>G", "C>T", "T>A", "T>C", "T>G")
TYPES = tuple(f"{before}[{pair}]{after}" for pair in _PAIRS for before in "ACGT" for after in "ACGT")
"""Substitutions of a pyrimidine with the bases on either side, in the order in which spectra hold them."""


def types_of(triplets: np.ndarray, alleles: np.ndarray) -> np.ndarray:
    """Return the place in `TYPES` of each substitution; one of a purine is read on the other strand.

    Args:
        triplets: (substitutions, 3), the base before, the reference and the base after, as bytes of letters.
        alleles: (substitutions,), the base that is found, likewise.

    Returns:
        (substitutions,), -1 where a letter is none of A, C, G, T, or nothing is changed.

    >>> [TYPES[i] for i in types_of(np.array([list(b"ACG"), list(b"CGT")], dtype=np.uint8), np.array(list(b"TA"), dtype=np.uint8))]
    ['A[C>T]G', 'A[C>T]G']
    """
    codes = np.full(256, -1, dtype=np.int64)
    for letter, code in zip("ACGTacgt", (0, 1, 2, 3, 0, 1, 2, 3), strict=True):
        codes[ord(letter)] = code
    before, middle, after = codes[triplets].T
    found = codes[alleles]
    known = (before >= 0) & (middle >= 0) & (after >= 0) & (found >= 0) & (found != middle)
    purine = (middle == 0) | (middle == 2)
    before, after = np.where(purine, 3 - after, before), np.where(purine, 3 - before, after)
    middle, found = np.where(purine, 3 - middle, middle), np.where(purine, 3 - found, found)
    pair = np.where(middle == 1, found - (found > 1), found + 3)
    return np.where(known, pair * 16 + before * 4 + after, -1)


class Refitted(NamedTuple):
    """What signatures explain: substitutions of each (samples, signatures), and the cosine of found and explained spectra (samples,)."""

    substitutions: FloatArray
    cosine: FloatArray


def refit(spectra: FloatArray, profiles: FloatArray) -> Refitted:
    """Return how many substitutions each signature explains in each sample: least squares, none below zero.

    Args:
        spectra: (samples, types), substitutions; no sample is without one.
        profiles: (types, signatures), the share of each type in a signature.

    >>> refit(np.array([[6.0, 2.0]]), np.array([[1.0, 0.0], [0.0, 1.0]])).substitutions.tolist()
    [[6.0, 2.0]]
    """
    from scipy.optimize import nnls  # takes long to import, and most runs refit nothing

    found = np.array([nnls(profiles, row)[0] for row in spectra]).reshape(len(spectra), profiles.shape[1])
    explained = np.array([profiles @ row for row in found]).reshape(spectra.shape)
    lengths = np.linalg.norm(explained, axis=1) * np.linalg.norm(spectra, axis=1)
    cosine = np.divide((explained * spectra).sum(axis=1), lengths, out=np.zeros(len(spectra)), where=lengths > 0)
    return Refitted(found, cosine)
