"""The one cleaner of texts: what is known goes, what has an identifier's form goes, and of the rest only words stay."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from unibase.imaging.confidentiality.texts.announced import announced
from unibase.imaging.confidentiality.texts.days import LONGEST_YEAR, Span, dates_in
from unibase.imaging.confidentiality.texts.folding import Folded, fold, repair
from unibase.imaging.confidentiality.texts.forms import formal, formal_in_label, formal_in_term
from unibase.imaging.confidentiality.texts.known import WORD, Known, teachable
from unibase.imaging.confidentiality.texts.titled import titled
from unibase.imaging.confidentiality.texts.vocabulary import UNSPACED, allowed, is_unknown_code, strange_in_unspaced, vocabulary
from unibase.imaging.confidentiality.texts.wards import ward_numbers

Kind = Literal[
    "text",  # people write it: dates, long numbers and whatever is no word go
    "term",  # machines write it (a model, a version, a code): there dates and numbers are of things, short words and models pass
    "label",  # likewise, but people can write it (a kernel, the meaning of a code): short forms of known days go too
    "retained",  # an option keeps it: what is known goes
]
_SET_OFF = re.compile(r"[^\W\dA-ZÀ-Þ_] [A-ZÀ-Þ][^\W\dA-ZÀ-Þ_]$")
_LIST = re.compile(r"(?<![^\W_])[A-ZÀ-Þ][^\W\d_]*(?: ?[/&+] ?[A-ZÀ-Þ][^\W\d_]*)+(?![^\W_])")
_AMOUNT = r"[mµμu]?g|[mµμunp]?mol|m?eq|m?osm|[mµμ]?sv|[µμ]m|lpm|rpm|[mk]?ui"
_UNIT = re.compile(
    rf"(?<=\d)[ _]?(?:(?:{_AMOUNT}|[np]g|[mµμk]?u|gy|m?l|[kmg]?bq)/(?:[md]?l|kg|g|h|min|s|fr|mm3|m2|j)|{_AMOUNT})(?![^\W_])"
)
"""A unit behind its number: cut, `12 ng/ml` would be 12 ml. Alone `ng` is a name."""
# A minus of a value stays: `HER2-` at the end of a word, `-30 %` after a blank.
_SEPARATOR = r"(?:[ ^,;_/:=.'’@]|(?<!\s)-(?=\d)|(?<![^\W_]|\0)-(?!\d)|(?<=\0)-(?!\d)|(?<=[^\W_])-(?=[^\s]))"
_BESIDE_CUT = re.compile(rf"(?:{_SEPARATOR}*\x00)+{_SEPARATOR}*")
_AT_ENDS = re.compile(r"\A(?:[ ^,;_/:=&]|-(?!\d))+|(?:[ ^,;_/:=&]|(?<![^\W_])-)+\Z")


@dataclass(frozen=True)
class Cleaner:
    """Cleans the texts of one file.

    Attributes:
        known: What is known of its persons.
        extra: Folded words that the study allows beside the vocabulary.
        met: Words of the texts read so far that are names too, whether they went or not.
    """

    known: Known
    extra: frozenset[str] = frozenset()
    met: set[str] = field(default_factory=set, compare=False, repr=False)

    def spans(self, text: str) -> list[Span]:
        """Return where what is known stands in `text`, not merged; short forms of days do not count.

        Args:
            text: One decoded value.
        """
        folded = fold(text)
        return [folded.span(*span) for span in self.known.spans(folded.plain, technical=True)]

    def clean(self, text: str, kind: Kind = "text") -> str:
        """Return one value without what names a person; the rest keeps its words, order and separators.

        Args:
            text: One decoded value.
            kind: Who writes it.
        """
        repaired = repair(text)
        folded = fold(repaired)
        found = [folded.span(*span) for span in self.known.spans(folded.plain, technical=kind not in ("text", "label"))]
        dates = [folded.span(*span) for span in dates_in(folded.plain)]
        if kind != "retained":
            found += [folded.span(*span) for span in announced(folded.plain)]
        if kind in ("text", "label"):
            found += self._taught(repaired, folded)
            found += [folded.span(*span) for span in ward_numbers(folded.plain)]
        if kind == "text":
            found += [*dates, *formal(repaired), *(folded.span(*span) for span in titled(folded.plain))]
        else:
            years = {f"{day.year:04d}" for day in self.known.days.days}
            # A year alone is of a thing, but in a label the years of the file's own days go.
            found += [
                (a, b)
                for a, b in dates
                if (b - a > LONGEST_YEAR and kind == "label")
                or ((b - a > LONGEST_YEAR or kind == "label") and any(year in repaired[a:b] for year in years))
            ]
            found += formal_in_term(repaired) + (formal_in_label(repaired) if kind == "label" else ())
        if kind != "retained":
            found += self._strange(repaired, folded, found, kind)
        return _cut(repaired, found) if found else text

    def _taught(self, text: str, folded: Folded) -> list[Span]:
        """Return the words that are names of staff and relatives known here; in a term, or as a word of the trade, they stay.

        A word of the trade goes where a capital sets it off from small letters before it: `vu Masse`.
        """
        spans: list[Span] = []
        for match in WORD.finditer(folded.plain):
            if match[0] not in teachable():
                continue
            self.met.add(match[0])
            if match[0] in self.known.also_words and not vocabulary().phrases.match(folded.plain, match.start()):
                span = folded.span(*match.span())
                if match[0] not in vocabulary().trade or _SET_OFF.search(text[: span[0]] + text[span[0] : span[0] + 2]):
                    spans.append(span)
        return spans + _listed_with(text, spans)

    def _strange(self, text: str, folded: Folded, found: list[Span], kind: Kind) -> list[Span]:
        """Return the tokens that are neither words nor short numbers."""
        technical = kind in ("term", "label")
        extra = self.extra | vocabulary().models if kind == "term" else self.extra
        passed = [folded.span(*match.span()) for form in (vocabulary().phrases, _UNIT) for match in form.finditer(folded.plain)]
        strange = []
        for match in WORD.finditer(text):
            start, end = match.span()
            if any(a <= start and end <= b for a, b in found) or any(a <= start and end <= b for a, b in passed):
                continue
            if UNSPACED.fullmatch(match[0]):
                strange += [(start + a, start + b) for a, b in strange_in_unspaced(match[0])]
            elif not allowed(match[0], technical, extra) or (technical and is_unknown_code(match[0], extra, kind == "term")):
                strange.append((start, end))
        return strange


def _listed_with(text: str, names: list[Span]) -> list[Span]:
    """Return the words that are names too and stand in one list with a name, each with a capital: `Masse/Grand`."""
    lists = [match.span() for match in _LIST.finditer(text) if any(match.start() <= a < match.end() for a, _ in names)]
    words = [match for start, end in lists for match in WORD.finditer(text, start, end)]
    return [match.span() for match in words if fold(match[0]).plain in teachable()]


def _cut(text: str, spans: list[Span]) -> str:
    kept: list[str] = []
    position = 0
    for start, end in sorted(spans):
        if start > position or not kept:
            kept.append(text[position:start])
        position = max(position, end)
    kept.append(text[position:])
    # What stood between two removed words goes with them: blanks, carets, commas that separate nothing now.
    result = _BESIDE_CUT.sub(" ", "\0".join(kept))
    result = re.sub(r"\(\s*\)|\[\s*\]", " ", result)
    return _AT_ENDS.sub("", re.sub(r" {2,}", " ", result))
