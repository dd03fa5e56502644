"""A name that is a word as well, after a word that announces a person: `Pt: Grand`, `lu par Masse`, `read by Green`.

What no list knows goes anyway; here go the words of the vocabulary that are names too, which stand in two lists: common
names, and rarer ones. How much goes depends on what announces. After a deed and its agent (`validé par`) or after the
label of a name (`nom`) a person follows, whatever the word. After `patient` or a role (`tech`) a statement may follow
(`patient prone`, `tech notes`): there common names go that are no part of the body, and with a colon rarer ones too.
"""

from __future__ import annotations

import itertools
import re
from functools import cache

from unibase.imaging.confidentiality.texts.titled import names_at
from unibase.imaging.confidentiality.texts.vocabulary import allowed, vocabulary

_DEEDS = (
    r"(?:re)?lus?|(?:re)?lues?|revue?s?|valide|signe|contresigne|execute|adresse|envoye|transmis|demande|prescrit|interprete|dicte|tape|saisi|"
    r"controle|verifie|contoure|segmente|dessine|delinee|annote|planifie|examine|redige|corrige|approuve|accompagne|trace|mesure|prepare|"
    r"exporte|importe|modifie|cree|supervise|confirme"
)
_DONE_TO_BODIES = r"injecte|pose|opere|pris|fait|realise|effectue|acquis|vue?|suivi|scanne|perfuse|ponctionne|biopsie"
_DONE = (
    r"ref(?:err?ed)?|sent|read|reported|signed|verified|validated|approved|reviewed|performed|done|made|checked|dictated|transcribed|"
    r"ordered|requested|prescribed|acquired|scanned|segmented|contoured|drawn|annotated|planned|injected|attended|seen|examined|"
    r"interpreted|supervised|entered|created|edited|revised|exported|imported|uploaded|measured|confirmed|outlined|delineated|prepared|seg|auth"
)
_ACTS = rf"(?:{_DEEDS})(?:e|s|es)?[ _]+(?:par|avec|chez|a)|(?:{_DONE})[ _]+(?:by|with)|adress[a-z]*[ _]+par|en[ _]presence[ _]de"
_BODILY = rf"(?:{_DONE_TO_BODIES})(?:e|s|es)?[ _]+(?:par|avec|chez)"
_NAME_LABELS = (
    r"name(?: \w+=['\"][^'\"<>]*['\"])+(?= ?>)|"
    r"(?:pre)?noms?(?:[ _](?:et[ _])?prenoms?)?(?:[ _](?:de[ _](?:naissance|famille|jeune[ _]fille|usage)|marital|usuel|patient|du[ _](?:patient|malade)))?|"
    r"(?:(?:patient|pt|last|first|full|given|family|maiden|middle|birth|physician|doctor|operator|user|reader|staff|sur)[ _.\-]*)?names?|"
    r"nee|ne\(e\)|surnom|alias|fam(?:ille)?|(?:family|given|prefix|suffix)(?=['\"]? ?[:=>])"
)
_PERSONS = (
    r"patiente?s?|pte?|pat|malade|subject|client|mother|father|wife|husband|daughter|brother|baby|tuteur|guardian|beneficiaire"
)
_RELATIVES = r"mere|pere|fille|fils|frere|soeur|epouse?|epx|epse|ep|veuve|vve|conjointe?|mari|femme|enfant|bebe|bb|personne[ _]de[ _]confiance"
_ROLES = (
    r"operat(?:eur|rice|or)|op|tech|technicien(?:ne)?|technician|technologist|technologue|manip|manipulat(?:eur|rice)|merm?|ide|infirmiere?|"
    r"nurse|rn|radiologue|radiologist|radiographer|medecin(?:[ _]traitant)?|mt|physician|physicist|physicien(?:ne)?|interne|externe|resident|"
    r"chef|cca|ph|dosi|dosimetriste|dosimetrist|secretaire|correspondante?|prescripteur|prescriber|demandeur|referente?|referring|ref|"
    r"chirurgien(?:ne)?|chir|prescr|resp|inf|surgeon|oncolog(?:ue|ist)|onco|auteur|author|redact(?:eur|rice)|lecteur|lectrice|reader|observer|observateur|user|"
    r"utilisateur|attn|att|cc|c/o|signature|signataire|contact|rad|radio|attending|fellow|equipe|team|binome|anesthesiste|aide[ _]soignante?|brancardier|by"
)
_ANNOUNCED = re.compile(
    rf"(?<![^\W_])(?:(?P<agent>{_ACTS})|(?P<name>{_NAME_LABELS})|(?P<other>{_BODILY}|{_PERSONS}|{_RELATIVES}|{_ROLES}))(?P<gap>"
    r"[ _]*[:=^#|>][\W_]{0,4}|\.?[ _]*(?:n°|no|nr)[ _.]+|(?:[^\w\n]|_){1,4})(?=[^\W\d_])"
)
_WORKS = (
    r"contou?r(?:s|ing|age|ages)?|dessins?|delineations?|segmentations?|relectures?|lectures?|validations?|dosimetrie|planif(?:ication)?|planning|"
    r"review|revision|approval|visas?|frappe|saisie|verifications?|controles?|dictee"
)
_DONE_BY_MANY = re.compile(rf"(?<![^\W_])(?:{_WORKS})[ _]*[:=#|>][ _]*(?P<names>[^\W\d_]+(?: ?[/&+,] ?[^\W\d_]+)+)(?![^\W_])")
_INITIALS = re.compile(
    r"(?<![^\W_])(?:signee?s?|signature|sign|visee?|visa|paraphe|initiales?|initials|tapee?|saisi|dictee?)(?:[ _]*[:=.][ _]*|[ _]+(?:par|by)[ _]+)"
    r"(?P<name>[^\W\d_]{2,3})(?=[\W_]*$|[.,;)/])"
)
_DOTTED = re.compile(
    rf"(?<![^\W_])(?:{_ROLES}|{_PERSONS}|{_RELATIVES}|sign[a-z]*)[ _]*[:=][ _]*(?P<name>(?:[^\W\d_]\.-?){{2,4}})"
)
# Two to four letters after a role or a person that are no word are initials: `MER YK`, `sec: MLB`.
_INITIALS_OF = re.compile(
    rf"(?<![^\W_])(?:{_ROLES}|{_PERSONS}|mer|sec|valid|contr)(?:[ _]*[:=][ _]*|\.?[ _]+)(?P<name>[^\W\d_]{{2,4}})(?=[\W_]*$|[.,;)/])"
)
_HELPERS = (
    r"ide|manip|merm?|interne|externe|md|infirmiere?|technicien(?:ne)?|dosimetriste|radiologue|physicien(?:ne)?|rn|nurse|medecin"
)
_BEFORE_ROLE = re.compile(
    rf"(?<![^\W_])(?P<name>(?P<initial>[^\W\d_]\. ?)?(?P<word>[^\W\d_]{{3,}})) ?[,\-] ?(?:{_HELPERS})(?![^\W_])"
)
_GLUED = re.compile(r"(?<![^\W_])(?:patiente?|pt|pat|nom|name|tech|manip|dr|pr|mr|mme|mlle|me)(?P<name>[^\W\d_]{3,})(?![^\W_])")
_BEFORE = re.compile(rf"(?P<name>(?<![^\W_])[^\W\d_]{{3,}}),? ?[(\[] ?(?:{_PERSONS}|{_ROLES}) ?[)\]]")
_GAP = re.compile(r"[ ^,\-_.]{1,2}")
_LONGEST_ABBREVIATION = 6
_LETTERS = re.compile(r"[^\W\d_]+")
_IN_NAMES = frozenset({"le", "la", "de", "du", "des", "do", "his", "van", "ter", "si", "so"})


def announced(plain: str) -> list[tuple[int, int]]:
    """Return where names stand in a folded text that a word before them announces, though they are words of the vocabulary.

    Args:
        plain: The folded text.

    >>> [[text[a:b] for a, b in announced(text)] for text in ("patient le grand", "nom : masse", "read by j. green")]
    [['le grand'], ['masse'], ['j. green']]
    >>> announced("patient prone, tech notes, nom du protocole, patient orientation")
    []
    """
    spans = [match.span() for match in _GLUED.finditer(plain) if _is_glued(match)]
    spans += [match.span("name") for pattern in (_INITIALS, _DOTTED) for match in pattern.finditer(plain)]
    spans += [
        match.span("name") for match in _BEFORE_ROLE.finditer(plain) if match["word"] in _pools()[0 if match["initial"] else 1]
    ]
    spans += [match.span("name") for match in _INITIALS_OF.finditer(plain) if not allowed(match["name"])]
    spans += [match.span("name") for match in _BEFORE.finditer(plain) if match["name"] in _pools()[0]]
    for match in _ANNOUNCED.finditer(plain):
        if not _of_no_person(match):
            spans += names_at(plain, match.end(), _named(match))
    return spans + _beside_names(plain) + _authors(plain)


def _authors(plain: str) -> list[tuple[int, int]]:
    """Return where the work of several is signed by words that are names, of which one is no word of the trade: `contours: masse/grand`."""
    every, trade = _pools()[0] | vocabulary().names, vocabulary().trade
    spans: list[tuple[int, int]] = []
    for match in _DONE_BY_MANY.finditer(plain):
        words = list(_LETTERS.finditer(plain, *match.span("names")))
        if all(word[0] in every or not allowed(word[0]) for word in words) and any(word[0] not in trade for word in words):
            spans += [word.span() for word in words]
    return spans


def _of_no_person(match: re.Match[str]) -> bool:
    """Return whether the name of a thing is announced, or a sentence ends between: `protocol name`, `du patient. Masse`."""
    ended = match["gap"].startswith(". ") and match.start("gap") - match.start() > _LONGEST_ABBREVIATION
    return ended or bool(match["name"] and _before(match.string, match.start()) in vocabulary().things)


def _beside_names(plain: str) -> list[tuple[int, int]]:
    """Return where a word that is a common name stands beside one that is nothing but a name: `Jean Grand`, not `masse Martin`."""
    known, spans = vocabulary(), []
    words = list(_LETTERS.finditer(plain))
    for first, second in itertools.pairwise(words):
        for name, other in ((first, second), (second, first)):
            gap = _GAP.fullmatch(plain, first.end(), second.start())
            if gap and name[0] in known.names and other[0] in _pools()[1] and (gap[0] == "^" or other[0] not in known.trade):
                spans += [] if known.phrases.match(plain, other.start()) else [other.span()]
    return spans


def _named(match: re.Match[str]) -> frozenset[str]:
    """Return the words that are names after what announces them."""
    every, bodiless = _pools()
    strong = not match["gap"].isspace() and any(sign in match["gap"] for sign in ":=^#|>")
    if match["name"]:
        return every | _IN_NAMES if strong else every - vocabulary().things
    return every if strong or match["agent"] else bodiless


@cache
def _pools() -> tuple[frozenset[str], frozenset[str]]:
    """Return the names that are words as well: all, and the common ones that are no part of the body."""
    known = vocabulary()
    return (known.also_names | known.rare_names) - known.statements, known.also_names - known.body - known.statements


def _before(plain: str, start: int) -> str:
    words = _LETTERS.findall(plain[max(0, start - 24) : start])
    return words[-1] if words else ""


def _is_glued(match: re.Match[str]) -> bool:
    return match["name"] in _pools()[1] and not allowed(match[0])
