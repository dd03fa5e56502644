"""ValueSets and CodeSystems of FHIR R4 in the vocabulary folder: which codes a value set holds.

An `expansion` that is whole counts as it stands. Else `compose` is worked out: concepts, whole code systems, other value sets, and the
filters `is-a` and `descendent-of` over a CodeSystem of the folder, or over Athena's tables. What cannot be worked out is refused by name:
a value set that misses codes would leave persons out in silence.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from unibase.clinical.words.vocabularies import spelled, vocabulary_name
from unibase.groundwork.problems import UserError

if TYPE_CHECKING:
    from unibase.clinical.words.athena import Vocabulary

type Resource = Mapping[str, object]
"""A resource of FHIR, or a part of one, as JSON has it."""


def value_set_files(folder: Path) -> list[Path]:
    """Return the files of a `folder` that may hold ValueSets or CodeSystems, in order."""
    return sorted(path for path in folder.glob("*.json") if path.is_file())


@dataclass(frozen=True)
class ValueSets:
    """The value sets of a folder.

    Attributes:
        sets: By url, id and name.
        systems: CodeSystems by url.
        athena: Tables of Athena in the same folder; None where there are none.
    """

    sets: Mapping[str, Resource] = field(default_factory=dict)
    systems: Mapping[str, Resource] = field(default_factory=dict)
    athena: Vocabulary | None = None

    @classmethod
    def open(cls, folder: Path, athena: Vocabulary | None = None) -> ValueSets:
        """Return the value sets of a `folder`, beside the tables of Athena, `athena`, in it.

        Raises:
            UserError: If a file is not JSON.
        """
        sets: dict[str, Resource] = {}
        systems: dict[str, Resource] = {}
        for path in value_set_files(folder):
            try:
                content = json.loads(path.read_text(encoding="utf-8"))
            except ValueError:
                raise UserError(f"{path} in the vocabulary folder is not JSON.") from None
            for one in _resources(content):
                if one.get("resourceType") == "ValueSet":
                    sets |= {str(one[key]): one for key in ("url", "id", "name") if one.get(key)}
                elif one.get("resourceType") == "CodeSystem":
                    systems[str(one.get("url"))] = one
        return cls(sets, systems, athena)

    def codes(self, name: str, before: tuple[str, ...] = ()) -> set[str]:
        """Return the codes of a value set, `VOCABULARY//code`; a `*` at the end stands for a whole code system.

        Args:
            name: Its url, id or name; a version after `|` is left aside.
            before: Value sets that include it.

        Raises:
            UserError: If there is none, it includes itself, or holds what cannot be worked out here.
        """
        name = name.split("|")[0]
        if name in before or name not in self.sets:
            told = "includes itself" if name in before else "is not in the vocabulary folder"
            raise UserError(f"The value set {name} {told}. Known are {', '.join(sorted(self.sets)) or 'none'}.")
        one = self.sets[name]
        expansion = _part(one, "expansion")
        if expansion and not _is_page(expansion):
            return {code for system, code in _contained(expansion)}
        compose = _part(one, "compose")
        if not compose:
            raise UserError(f"The value set {name} has neither a whole expansion nor a definition. Export it with its expansion.")
        taken = {code for part in _parts(compose, "include") for code in self._of(part, name, before)}
        left = {code for part in _parts(compose, "exclude") for code in self._of(part, name, before)}
        return _without(taken, left, name)

    def _of(self, part: Resource, name: str, before: tuple[str, ...]) -> set[str]:
        """Return the codes of one include or exclude: those of its system that are in all value sets that it names."""
        own = self._of_system(part, name) if part.get("system") else None
        for other in _texts(part, "valueSet"):
            codes = self.codes(other, (*before, name))
            own = codes if own is None else own & codes
        return own or set()

    def _of_system(self, part: Resource, name: str) -> set[str]:
        system = str(part["system"])
        listed = {_code(system, str(one["code"])) for one in _parts(part, "concept")}
        filters = _parts(part, "filter")
        if listed:
            return listed
        if not filters:
            known = self.systems.get(system)
            if known is not None and known.get("content") == "complete":
                return {_code(system, code) for code in _tree(known)}
            return {f"{vocabulary_name(system)}//*"}
        found = [self._filtered(system, one, name) for one in filters]
        return set.intersection(*found)

    def _filtered(self, system: str, one: Resource, name: str) -> set[str]:
        operation, value = str(one.get("op")), str(one.get("value"))
        if operation not in ("is-a", "descendent-of") or one.get("property") not in ("concept", "code", "parent"):
            raise UserError(
                f"The value set {name} filters by {one.get('property')} {operation}, which is not read. Export its expansion."
            )
        known = self.systems.get(system)
        if known is not None and known.get("content") == "complete":
            below = {_code(system, code) for code in _below(_tree(known), value)}
        elif self.athena is not None:
            below = set(self.athena.descendants([_code(system, value)]))
        else:
            raise UserError(
                f"The value set {name} asks for what is below {value} of {system}. Put that CodeSystem, or Athena's tables, into the folder."
            )
        itself = {_code(system, value)}
        return below | itself if operation == "is-a" else below - itself


def _without(taken: set[str], left: set[str], name: str) -> set[str]:
    """Return what is taken and not left out; a code out of a whole system cannot be said by codes alone."""
    whole = {code for code in taken if code.endswith("//*")}
    systems = {code.removesuffix("*") for code in left if code.endswith("//*")}
    found = {code for code in taken - left if not code.startswith(tuple(systems) or ("\0",))}
    if any(code.startswith(system[:-1]) for code in left - whole for system in whole):
        raise UserError(
            f"The value set {name} leaves codes out of a whole system. Export its expansion, or put the CodeSystem into the folder."
        )
    return found


def _code(system: str, code: str) -> str:
    vocabulary = vocabulary_name(system)
    return f"{vocabulary}//{spelled(vocabulary, code)}"


def _resources(content: object) -> Iterator[Resource]:
    if isinstance(content, dict):
        yield content
        for entry in _parts(content, "entry"):
            yield from _resources(entry.get("resource"))


def _part(one: Resource, key: str) -> Resource:
    found = one.get(key)
    return found if isinstance(found, dict) else {}


def _parts(one: Resource, key: str) -> list[Resource]:
    found = one.get(key)
    return [part for part in found if isinstance(part, dict)] if isinstance(found, list) else []


def _texts(one: Resource, key: str) -> list[str]:
    found = one.get(key)
    return [str(text) for text in found] if isinstance(found, list) else []


def _is_page(expansion: Resource) -> bool:
    """Tell whether an expansion is one page of several, as `total` and `offset` say."""
    total = expansion.get("total")
    return bool(expansion.get("offset")) or (isinstance(total, int) and total > sum(1 for _ in _contained(expansion)))


def _contained(one: Resource) -> Iterator[tuple[str, str]]:
    for part in _parts(one, "contains"):
        if part.get("code") and not part.get("abstract"):
            yield str(part["system"]), _code(str(part["system"]), str(part["code"]))
        yield from _contained(part)


def _tree(system: Resource) -> dict[str, set[str]]:
    """Return the codes of a CodeSystem and the parents of each, by nesting or by the property `parent`."""
    found: dict[str, set[str]] = {}

    def walk(one: Resource, above: str | None) -> None:
        for part in _parts(one, "concept"):
            code = str(part["code"])
            said = {str(p.get("valueCode")) for p in _parts(part, "property") if p.get("code") in ("parent", "subsumedBy")}
            found.setdefault(code, set()).update(said | ({above} if above else set()))
            walk(part, code)

    walk(system, None)
    return found


def _below(parents: Mapping[str, set[str]], root: str) -> set[str]:
    found, new = set[str](), {root}
    while new:
        found |= new
        new = {code for code, above in parents.items() if above & new} - found
    return found
