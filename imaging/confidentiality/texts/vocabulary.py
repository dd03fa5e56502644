"""What is allowed: words of imaging and medicine, and the rule by which a token of a text is one of them.

The lists stand in `data/words`; each names its source. A token passes when all its parts are words: parts are divided
where letters meet digits and where a small letter meets a capital (`SeinG`, `PTV50Gy`, `3i21s`), never inside a word, for
many names are two words in one (`Dupont`, `Legrand`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from unibase.imaging.confidentiality.texts.folding import fold

_WORDS = Path(__file__).parent.parent / "data" / "words"
_LISTS = (
    "anatomy",
    "archive",
    "imaging",
    "protocols",
    "oncology",
    "clinical",
    "agents",
    "devices",
    "heart",
    "scripts",
    "standard",
    "terms",
)
_TRADE = ("anatomy", "imaging", "protocols", "oncology", "agents", "devices", "heart")
_LEAST_REST = 5
MOST_DIGITS = 4
"""A token with more digits may number a person."""
_PART = re.compile(r"\d+|[^\W\d_a-zà-öø-ÿ]+(?![a-zà-öø-ÿ])|[^\W\d_]?[a-zà-öø-ÿ]+|[^\W\d_]+")
_RUN = re.compile(r"\d+|[^\W\d_]+")
_CODE = re.compile(r"[a-z]\d{3,}[a-z]?")
_MATRIX = re.compile(r"\d{1,4}(?:[x*]\d{1,4})+")
_TNM = re.compile(r"[acpry]{0,2}t(?:is|[0-4x])(?:[a-d]|mi)?(?:n[0-3x](?:[a-c]|mi)?)?(?:m[01x][a-c]?)?")
# b-values and widths of windows: b1000, W400, W1500.
_WEIGHTED = re.compile(r"b\d{1,3}|b\d\d[05]0|w\d{2,3}0")
# Kernels of the makers, alone or before fat saturation: B50f, Br40, I31s, Qr44, FC08.
_KERNEL = re.compile(
    r"(?:[abdhijqstuv]\d{2}[fhsmr]{0,2}|(?:b[flnprv]|h[cfnprv]|q[irw]|u[br]|s[ab]|c[rt]|y[ab])\d{2}[a-z]?|f[cl]\d{2})(?:fs)?"
)
# Scanners and reconstructions as the National Lung Screening Trial names them: SEN16, AQUL4, LSPR16, DSCLS, OPA.
_SCANNER = re.compile(r"(?:sen|aqul|lspr)(?:4|8|16|64)|ls(?:qx|ult|plus|pwr)|hsqx|op[als]|os[al]|ds(?:r|l|cls|cqx)")
# What stands glued before or after a word of protocols: 3DSPGR, sT1W, T2wi, dyn3d.
_WEIGHTS = re.compile(r"(?:[23]d|s?t[12][w*]?)(?P<after>[a-z]{2,})|(?P<before>[a-z]{3,})[23]d|s(?:t[12]w?|[23]d)")
_DIMENSIONS = re.compile(r"[123]d")
_COUNTED = re.compile(r"[a-z]?\d{1,2}of\d{1,2}")
# Endings that only terms have: Greek and Latin ones of medicine, and the stems of the WHO's nonproprietary names.
_ENDING = re.compile(
    r".{3,}(?:ectomi(?:e|es|se|sees?)|ectomy|ectomies|graphi(?:e|es|que|ques)|graphy|graphic|scopi(?:e|es|que|ques)|scopy|scopic|plasti(?:e|es)|pexi(?:e|es)|rraphi(?:e|es)|"
    r"plasty|pathi(?:e|es|que|ques)|pathy|pathies|pathic|megali(?:e|es)|megaly|carcinom(?:e|es|a|as)|sarcom(?:e|es|a|as)|blastom(?:e|es|a|as)|"
    r"cytom(?:e|es|a|as)|gliom(?:e|es|a|as)|adenom(?:e|es|a|as)|lymphom(?:e|es|a|as)|stomi(?:e|es)|ostomy|otomi(?:e|es)|otomy|metri(?:e|es|que|ques)|"
    r"therapi(?:e|es|que|ques)|therapy|therapies|logi(?:e|es|que|ques)|logical|emboli(?:e|sation|zation)|tinib|ciclib|parib|rafenib|zumab|ximab|"
    r"mumab|limab|platine?|taxel|rubicine?|trexed|citabine?|poside?|fosfamide|tecan)"
)


@dataclass(frozen=True)
class Vocabulary:
    """The lists.

    Attributes:
        placeholders: What stands where a name should: never an identifier.
        core: Words of imaging that name nobody even when the patient's name is the same (`HEAD`).
        words: Words that pass as a token and as a part of one.
        makers: Those of them that are makers, devices and programs: a person may bear the name of one.
        whole: Words that pass only as a token.
        names: Names of persons.
        common_names: The commonest of them: what names a person among codes that the standard defines, of which ANN is one.
        also_names: Words that are common names as well (`masse`): after a title they name a person.
        rare_names: Words that are rarer names: they name a person where nothing else can stand.
        things: What has a name of its own, as `protocol` in `protocol name`.
        statements: Words that state something where the name of a person might stand: `prone` in `patient prone`.
        body: Words of anatomy, and those of imaging that name nobody.
        trade: Words of anatomy, imaging, protocols, oncology, agents and devices: of texts of imaging, not of language.
        combining: Forms that pass before a word (`hyper` in `hyperfixant`), and alone before a hyphen.
        joining: Two and more words that technologists write as one (`cheabdpel`, `biopsybonemarrow`).
        phrases: Terms of several words, folded, single blanks between them.
        code_words: Words of the defined terms of code strings that are in no other list.
        models: Words of names of models and programs, which pass only where a machine says what it is.
    """

    placeholders: frozenset[str]
    core: frozenset[str]
    words: frozenset[str]
    makers: frozenset[str]
    whole: frozenset[str]
    names: frozenset[str]
    common_names: frozenset[str]
    also_names: frozenset[str]
    rare_names: frozenset[str]
    things: frozenset[str]
    statements: frozenset[str]
    body: frozenset[str]
    trade: frozenset[str]
    combining: frozenset[str]
    joining: re.Pattern[str]
    phrases: re.Pattern[str]
    code_words: frozenset[str]
    models: frozenset[str]


@cache
def vocabulary() -> Vocabulary:
    """Return the lists, read once."""
    things, statements = _sections((_WORDS / "no_names.txt").read_text(encoding="utf-8"))
    core = _sections((_WORDS / "core.txt").read_text(encoding="utf-8"))
    words = frozenset().union(*map(_read, _LISTS)) | core[1] | core[2]
    phrases = [line for line in (_WORDS / "phrases.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    pattern = "|".join(re.escape(fold(one).plain).replace(r"\ ", r"[\W_]{1,2}") for one in sorted(phrases, key=len, reverse=True))
    return Vocabulary(
        core[0],
        core[1] | core[2],
        words,
        _read("devices"),
        _read("everyday"),
        (_read("names") | _read("people")) - words,
        _read("names") - words,
        _read("also_names"),
        _read("rare_names"),
        things,
        statements,
        core[1] | _read("anatomy"),
        core[1].union(*map(_read, _TRADE)),
        _read("combining"),
        _joining(_read("joining")),
        re.compile(rf"(?<![^\W_])(?:{pattern})(?![^\W_])"),
        _read("code_strings"),
        _read("models"),
    )


def _joining(words: frozenset[str]) -> re.Pattern[str]:
    """Return the pattern of two long words, or three and more: two short ones are names too often (`cornac`, `thonon`)."""
    every, long = ("|".join(sorted(one, key=len, reverse=True)) for one in (words, [word for word in words if len(word) > 3]))
    return re.compile(rf"(?:{long}){{2}}|(?:{every}){{3,6}}")


def _sections(text: str) -> list[frozenset[str]]:
    lists: list[set[str]] = []
    for line in text.splitlines():
        if line.startswith("#"):
            lists.append(set())
        else:
            lists[-1].update(line.split())
    return [frozenset(one) for one in lists]


def _read(name: str) -> frozenset[str]:
    text = (_WORDS / f"{name}.txt").read_text(encoding="utf-8")
    return frozenset(word for line in text.splitlines() if not line.startswith("#") for word in fold(line).plain.split())


@lru_cache(maxsize=65536)
def is_word(word: str) -> bool:
    """Return whether a folded word without digits is of the vocabulary, in one of its forms, or ends as only terms do.

    >>> is_word("thorax"), is_word("zqvibe")
    (True, False)
    """
    known = vocabulary()
    if word in known.words:
        return True
    if word in known.names:
        return False
    return by_rule(word)


def by_rule(word: str) -> bool:
    """Return whether a folded word that no list holds is one by its form: its ending, its stem, or the words it is made of.

    >>> by_rule("hyperfixantes"), by_rule("cheabdpel"), by_rule("zqvibe")
    (True, True, False)
    """
    known = vocabulary()
    if _ENDING.fullmatch(word) or not known.words.isdisjoint(_stems(word)) or _is_compound(word):
        return True
    return known.joining.fullmatch(word) is not None


def _is_compound(word: str) -> bool:
    """Return whether a word is a combining form and a word: `hyper` and `fixant`, `thoraco` and `abdominal`."""
    known = vocabulary()
    for place in range(2, len(word) - _LEAST_REST + 1):
        if word[:place] in known.combining and len(word[:place]) + _LEAST_REST <= len(word):
            rest = word[place:]
            if rest in known.words or not known.words.isdisjoint(_stems(rest)):
                return True
    return False


def _stems(word: str) -> list[str]:
    """Return the words of which a French or English word may be the plural or the feminine."""
    if len(word) < 5:
        return []
    single = word[:-1] if word[-1] in "sx" else word
    stems = [single] if single != word else []
    for ending, stem in (
        ("aux", "al"),
        ("ales", "al"),
        ("elles", "el"),
        ("iennes", "ien"),
        ("euses", "eux"),
        ("ives", "if"),
        ("ies", "y"),
    ):
        if word.endswith(ending):
            stems.append(word[: -len(ending)] + stem)
    for ending, stem in (
        ("ale", "al"),
        ("elle", "el"),
        ("ienne", "ien"),
        ("euse", "eux"),
        ("ive", "if"),
        ("ee", "e"),
        ("aire", "ar"),
    ):
        if single.endswith(ending) and len(single) > len(ending) + 3:
            stems.append(single[: -len(ending)] + stem)
    return stems


def allowed(token: str, technical: bool = False, extra: frozenset[str] = frozenset()) -> bool:
    """Return whether a token (letters and digits, as written) names nobody.

    Args:
        token: The token, in its own case and with its accents.
        technical: Whether it stands in a text that machines write (a model, a kernel, a code): there up to three letters
            pass without being a word, and numbers of any length.
        extra: Folded words that the study allows.

    >>> allowed("thorax"), allowed("zqvibe")
    (True, False)
    """
    return _allowed(token, technical) or (bool(extra) and fold(token).plain in extra)


@lru_cache(maxsize=65536)
def _allowed(token: str, technical: bool) -> bool:
    plain = fold(token).plain
    known = vocabulary()
    if plain in known.words or plain in known.whole or plain in known.placeholders or plain in known.combining:
        return True
    digits = sum(map(str.isdigit, plain))
    if plain.isdigit():
        return technical or digits <= MOST_DIGITS
    if any(form.fullmatch(plain) for form in (_MATRIX, _TNM, _KERNEL, _COUNTED, _SCANNER)):
        return True
    if technical:
        return all(one.isdigit() or len(one) <= 3 or is_word(one) for one in _parts(token))
    if digits > MOST_DIGITS or (_CODE.fullmatch(plain) and not _WEIGHTED.fullmatch(plain)):
        return False
    if not digits and is_word(plain):
        return True
    glued = _WEIGHTS.fullmatch(plain)
    if glued and is_word(glued["after"] or glued["before"] or "series"):
        return True
    return _of_parts(_parts(token)) or _of_parts(_RUN.findall(plain))


def is_unknown_code(token: str, extra: frozenset[str] = frozenset(), of_machine: bool = False) -> bool:
    """Return whether a token is a code that no list explains: unknown letters around digits, or letters beside five.

    Args:
        token: The token, as written.
        extra: Folded words that the study allows.
        of_machine: Whether a machine alone writes such a text: there words have long numbers too (`build20341`).

    >>> [is_unknown_code(one) for one in ("XK29ZQ", "KM77319", "Br40d", "spc3d1rr", "60059", "build20341")]
    [True, True, False, False, False, True]
    >>> is_unknown_code("KM77319", of_machine=True), is_unknown_code("build20341", of_machine=True)
    (True, False)
    """
    parts = _parts(token)
    digits = [one for one in parts if one.isdigit()]
    if not digits or len(digits) == len(parts) or fold(token).plain in extra:
        return False
    unknown = [one for one in parts if len(one) > 1 and not one.isdigit() and not is_word(one)]
    around = len(unknown) > 1 and not _DIMENSIONS.search(fold(token).plain)
    named = of_machine and not unknown and all(len(one) > 2 for one in parts if not one.isdigit())
    return around or (max(map(len, digits)) > MOST_DIGITS and not named)


def _of_parts(parts: list[str]) -> bool:
    """Return whether the parts of a token with digits or capitals inside are words: `SeinG`, `PTV50Gy`, `80kV10mA`."""
    known = vocabulary()
    letters = [one for one in parts if not one.isdigit()]
    if len(parts) > 8 or sum(len(one) == 1 for one in letters) > 2:
        return False
    return len(parts) > 1 and all(len(one) == 1 or (one in known.words) or (len(one) > 3 and is_word(one)) for one in letters)


UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]+")
"""Letters of scripts that set no blanks between words."""
_LONGEST_UNSPACED = 6


def strange_in_unspaced(run: str) -> list[tuple[int, int]]:
    """Return the spans of a run of unspaced letters that no word of the vocabulary covers, the longest words first taken."""
    known, place, strange = vocabulary().words, 0, []
    while place < len(run):
        ends = range(min(place + _LONGEST_UNSPACED, len(run)), place, -1)
        end = next((end for end in ends if fold(run[place:end]).plain in known), place)
        if end == place:
            strange.append((place, place + 1))
        place = max(end, place + 1)
    return strange


def _parts(token: str) -> list[str]:
    return [fold(one).plain for one in _PART.findall(token)]
