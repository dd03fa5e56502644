"""Numbers of rooms, beds, extensions and files: `chambre 412 lit 2`, `patient 014`. They say where a person lay, or which file is hers."""

from __future__ import annotations

import re

_SIGNS = r"[ ._:#=\-]*(?:n[°ºo]|no|nr|num(?:ero)?)?[ ._:#=\-]*"
_BED = r"lits?|bed|bett|letto|cama"
_NUMBER = r"(?:[a-z]{1,2}[ \-.]?)?\d{1,5}(?: ?(?:bis|ter)|[a-z])?"
_NEXT = rf"(?:(?:[ ,;_]*(?:{_BED}|place|porte|[lb])[ ._:\-n°]*|[/\-])(?:\d{{1,3}}[a-z]?|[a-d])(?![^\W_]))"
_NO_UNIT = r"(?![^\W_])(?![.,]\d)(?![ _]?(?:mm|cm|m|ml|cc|l|gy|%|h|min|s|kv|ma|kg|bpm|hz|mhz|ans?|jours?|fois)(?![^\W_]))"
_ROOM = re.compile(
    r"(?<![^\W_])(?:chambres?|chbre?|chamb|ward|apt|apartment|appt|room|zimmer|salle|etage|bureau|casier|poste|bip|dect|u\.?f\.?|box(?=[ _]*\d+[ _]*(?:des|aux|du|de)?[ _]*(?:urg|rea|sau|usi|sspi))|hospitalisee?s?[ _]en)"
    rf"{_SIGNS}(?P<number>{_NUMBER}{_NEXT}*){_NO_UNIT}"
)
_SHORT = re.compile(
    rf"(?<![^\W_])(?:ch|rm|tel|tph|fax|ext|int|unite|service|secteur)\.?{_SIGNS}(?P<number>[a-z]?\d{{3,5}}{_NEXT}*){_NO_UNIT}"
)
_LONE_BED = re.compile(rf"(?<![^\W_])lit{_SIGNS}(?P<number>\d{{1,3}}[a-z]?){_NO_UNIT}")
_OF_FILES = re.compile(
    r"(?<![^\W_])(?:dossier|(?:d')?examen|exam|cr|compte[ _-]rendu|incl?|inclusion|trial|essai|subj|sujet|patiente?s?|accession|acc|anapath|prelevement|lame|record|case|cas|"
    rf"sejour|visite|iep|nda|ipp|mrn|ssn|admission|order|demande|ordonnance){_SIGNS}(?P<number>(?:\d{{1,6}}[\-/.])*\d{{2,6}}){_NO_UNIT}"
)
# The bed of a tumour has numbers too, and so have the positions of a PET table (`bed 2`), which are not told here at all.
_OF_TUMOUR = re.compile(r"(?<![^\W_])(?:[cgpi]tv|tumoral|operatoire|boost|clips?)")


def ward_numbers(plain: str) -> list[tuple[int, int]]:
    """Return where numbers of rooms, beds, offices, extensions and files stand in a folded text.

    Args:
        plain: The folded text.

    >>> [[text[a:b] for a, b in ward_numbers(text)] for text in ("foie, chambre b412", "ch 412/2", "ctv lit 2", "bed 2")]
    [['b412'], ['412/2'], [], []]
    """
    spans = [match.span("number") for pattern in (_ROOM, _SHORT, _OF_FILES) for match in pattern.finditer(plain)]
    if not _OF_TUMOUR.search(plain):
        spans += [match.span("number") for match in _LONE_BED.finditer(plain)]
    return spans
