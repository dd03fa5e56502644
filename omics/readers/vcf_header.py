"""What the lines above the records of a VCF say: its columns, which of them are tumours, and how these are named."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unibase.groundwork.problems import Unusable
from unibase.omics.readers.alignments import are_alignments, samples_of_alignments
from unibase.omics.readers.annotations import Fields
from unibase.omics.reasons import NO_TUMOUR, SEVERAL_SAMPLES

_NORMAL_NAME = re.compile(
    r"^(normal|norm|germline|pon|panel.?of.?normals|blood|control|ctrl|wbc|pbmc|n|nl|healthy|buffy.?coat|saliva)$|[-_.](n|normal|germline|blood|wbc|pbmc|control|nl)\d?$"
    r"|^TCGA-\w{2}-\w{4}-1[0-4]",
    re.IGNORECASE,
)
_TUMOUR_NAME = re.compile(r"^(tumou?r|t|primary|cancer|sample\d*)$", re.IGNORECASE)
_ROLE_BEFORE = re.compile(
    r"^(tumou?r|t|primary|met|normal|n|blood|germline|ctrl|control)(?:[-_. ](?=.)|(?=\d))(.+)$", re.IGNORECASE
)


@dataclass
class Header:
    """What the lines above the records say.

    Attributes:
        columns: Samples, in order.
        tumours, normals: Names that are declared so.
        renamed: Sample behind a column that bears a role (`TUMOR`).
        fields: Declared fields of annotations.
        lines: The lines themselves that say who called the variants.
        filters: Words of FILTER that are declared.
    """

    columns: list[str] = field(default_factory=list)
    tumours: set[str] = field(default_factory=set)
    normals: set[str] = field(default_factory=set)
    renamed: dict[str, str] = field(default_factory=dict)
    fields: Fields = field(default_factory=Fields)
    lines: list[str] = field(default_factory=list)
    filters: set[str] = field(default_factory=set)

    def take(self, line: str) -> None:
        """Take in a line that begins with ##."""
        if not line.startswith(("##INFO=", "##FORMAT=", "##FILTER=", "##contig=")):
            self.lines.append(line)
        self.filters |= set(re.findall(r"^##FILTER=<ID=([^,>]+)", line)) - {"PASS"}
        if line.startswith("##INFO="):
            self.fields.take(line)
        elif match := re.match(r"##(tumor|tumour|normal)_sample=(.+)", line):
            (self.normals if match[1] == "normal" else self.tumours).add(match[2].strip())
        elif line.startswith("##SAMPLE="):
            self._sample(dict(re.findall(r"(\w+)=\"?([^,>\"]+)", line[9:])))
        elif line.startswith("##PEDIGREE="):
            said = dict(re.findall(r"(\w+)=([^,>]+)", line[11:]))
            if "Derived" in said and "Original" in said:
                self.tumours.add(said["Derived"])
                self.normals.add(said["Original"])

    def _sample(self, said: dict[str, str]) -> None:
        name = said.get("ID", "")
        real = said.get("SampleName") or said.get("NAME") or said.get("Individual")
        if real and (_TUMOUR_NAME.match(name) or _NORMAL_NAME.match(name)):
            self.renamed[name] = real

    def chosen(self) -> list[int]:
        """Return the places of the tumours among the columns: those declared, else all that are not a normal by name or word.

        Raises:
            Unusable: `no-tumour`.
        """
        places = [i for i, name in enumerate(self.columns) if name in self.tumours]
        if not places:
            normals = self.normals | normals_of_pairs(self.columns)
            places = [i for i, name in enumerate(self.columns) if name not in normals and not _NORMAL_NAME.search(name)]
            if self.normals and 1 < len(places) == len(self.columns):
                raise Unusable(
                    NO_TUMOUR,
                    "The header names a normal, and no column is it: the columns were renamed.",
                    "Mend the lines ##normal_sample and ##tumor_sample, or call the column NORMAL.",
                )
        if self.columns and not places:
            raise Unusable(NO_TUMOUR, "Every column of the VCF is a normal.", "Give the VCF of the tumour.")
        return places


def columns_of(names: Sequence[str]) -> list[str]:
    """Return the columns of samples; SvABA and others name them by files of aligned reads.

    Args:
        names: As the line #CHROM has them.

    >>> columns_of(["/data/S1_N.bam", "/data/S1_T.bam"])
    ['S1_N', 'S1_T']
    """
    stripped = [name.strip() for name in names]
    return samples_of_alignments(stripped) if are_alignments(stripped) else stripped


def normals_of_pairs(names: Sequence[str]) -> set[str]:
    """Return the names that say a normal before or behind what names a tumour, too: `N_01` beside `T_01`, `P1N` beside `P1T`.

    Args:
        names: Columns of a VCF.

    >>> normals_of_pairs(["T_01", "N_01", "N_02"])
    {'N_01'}
    """
    told = {
        match[2]: name for name in names if (match := _ROLE_BEFORE.match(name)) and match[1].lower().startswith(("t", "p", "m"))
    }
    others = [(name, match[2]) for name in names if (match := _ROLE_BEFORE.match(name)) and name not in told.values()]
    behind = {name for name in names if name.endswith("N") and f"{name[:-1]}T" in names}
    return behind | {name for name, rest in others if rest in told}


def named_tumours(header: Header, path: Path, named: str | None) -> list[tuple[int, str]]:
    """Return place and name of each tumour among the columns; a place of -1 where the VCF has none.

    Args:
        header: What the lines above the records say.
        path: The file, by which a column is named that bears only a role.
        named: Name of the only tumour, where the study says so.

    Raises:
        Unusable: `no-tumour`, `several-samples`.
    """
    places = header.chosen()
    if named is not None and len(places) > 1:
        raise Unusable(
            SEVERAL_SAMPLES, "The VCF holds several tumours; the file's name cannot name them all.", "Leave sample_from out."
        )
    by_file = named or path.name.split(".")[0]
    if not header.columns:
        return [(-1, by_file)]
    told = []
    for place in places:
        column = header.columns[place]
        name = header.renamed.get(column, column)
        told.append((place, by_file if named is not None or (_TUMOUR_NAME.match(name) and len(places) == 1) else name))
    return told
