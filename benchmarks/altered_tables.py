"""Tables of known values, altered as they reach a study: unit, orientation, names and titles changed. How many are accepted wrong?

    python -m benchmarks.altered_tables FOLDER --files 1000 [--seed 1]

Each file is made of counts, beta values, intensities or segments that are known, and read as a build reads it. `right`: the known values
came out, of all samples. `refused`: the file was refused with a next step. `wrong`: anything else came out. Wrong ones are printed with the
way they were made, which the seed makes again.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from unibase.groundwork.problems import Unusable, UserError
from unibase.omics.assays.registry import AssayFiles, read
from unibase.omics.genes import gene_table
from unibase.omics.readers.segments import LOWEST_COPIES

SAMPLES = [f"{'LY' if i % 2 else 'CHU'}-{i:03d}-01A" for i in range(10)]
GENES = [g for g in gene_table()._symbol.values() if g.ensembl and g.entrez and g.locus_type == "gene with protein product"][
    :4000:5
]
CHROMOSOMES = {"1": 248_000_000, "3": 198_000_000, "7": 159_000_000, "17": 83_000_000}
Values = np.ndarray
Unit = Callable[[Values], Values]


@dataclass(frozen=True)
class Made:
    """One altered file: how it was made, and its text."""

    how: tuple[str, ...]
    text: str
    encoding: str


def counts(rng: np.random.Generator) -> Values:
    """Return samples x genes, as a library of 5 to 40 million has them."""
    level = rng.gamma(0.35, 1.0, len(GENES))
    depth = np.exp(rng.uniform(np.log(5e6), np.log(4e7), len(SAMPLES)))
    return rng.poisson(rng.gamma(5.0, 0.2, (len(SAMPLES), len(GENES))) * level / level.sum() * depth[:, None]).astype(float)


def per_million(x: Values) -> Values:
    return x / x.sum(axis=1, keepdims=True) * 1e6


def by_length(x: Values) -> Values:
    return x / (np.random.default_rng(9).uniform(0.5, 8, x.shape[1]))


RNA: Mapping[str, Unit] = {
    "counts": lambda x: x,
    "counts as 1.0": lambda x: x,
    "log2(count + 1)": lambda x: np.log2(x + 1),
    "ln(count + 1)": lambda x: np.log1p(x),
    "CPM": per_million,
    "log2 CPM": lambda x: np.log2(per_million(x) + 1),
    "TPM": lambda x: per_million(by_length(x)),
    "FPKM": lambda x: by_length(per_million(x)),
    "log2(FPKM + 1)": lambda x: np.log2(by_length(per_million(x)) + 1),
    "divided by size factors": lambda x: x / (x.sum(axis=1, keepdims=True) / x.sum(axis=1).mean()),
    "z-scores": lambda x: (np.log2(x + 1) - np.log2(x + 1).mean(axis=0)) / (np.log2(x + 1).std(axis=0) + 0.1),
    "upper quartile made 1000": lambda x: x / np.quantile(x, 0.75, axis=1, keepdims=True) * 1000,
}


def beta(rng: np.random.Generator) -> Values:
    low = rng.beta(1.5, 15, (1, 900))
    return np.clip(np.where(rng.random((1, 900)) < 0.5, low, 1 - low) + rng.normal(0, 0.03, (len(SAMPLES), 900)), 0.001, 0.999)


METHYLATION: Mapping[str, Unit] = {
    "beta": lambda x: x,
    "percent": lambda x: x * 100,
    "M": lambda x: np.log2(x / (1 - x)),
    "natural logits": lambda x: np.log(x / (1 - x)),
    "detection p-values": lambda x: np.where(x > 0.98, 0.2, 1e-6),
    "differences": lambda x: x - x.mean(axis=0),
    "intensities": lambda x: np.rint(x * 9000 + 200),
}


def intensities(rng: np.random.Generator) -> Values:
    return 2.0 ** (rng.normal(26, 2.2, (1, 800)) + rng.normal(0, 0.5, (len(SAMPLES), 800)))


PROTEINS: Mapping[str, Unit] = {
    "intensities": lambda x: x,
    "log2": np.log2,
    "log10": np.log10,
    "ln": np.log,
    "z-scores": lambda x: (np.log2(x) - np.log2(x).mean(axis=0)) / np.log2(x).std(axis=0),
}
IDS: Mapping[str, Callable[[int], str]] = {
    "symbols": lambda i: GENES[i].symbol,
    "Ensembl": lambda i: GENES[i].ensembl,
    "Ensembl with versions": lambda i: f"{GENES[i].ensembl}.{i % 9 + 1}",
    "symbol|Entrez": lambda i: f"{GENES[i].symbol}|{GENES[i].entrez}",
    "Entrez": lambda i: str(GENES[i].entrez),
}
PROBES: Mapping[str, Callable[[int], str]] = {
    "cg": lambda i: f"cg{i * 30011:08d}",
    "EPIC v2": lambda i: f"cg{i * 30011:08d}_TC{i % 2 + 1}1",
}
ACCESSIONS: Mapping[str, Callable[[int], str]] = {
    "UniProt": lambda i: f"P{10000 + i * 7}", "symbols": lambda i: GENES[i].symbol, "UniProt and symbol": lambda i: f"P{10000 + i * 7}|{GENES[i].symbol}",
}  # fmt: skip


def levels(rng: np.random.Generator) -> Values:
    """Return samples x chromosomes, log2 ratios, most of them around 0."""
    return np.where(
        rng.random((len(SAMPLES), len(CHROMOSOMES))) < 0.5, 0.0, rng.normal(0, 0.45, (len(SAMPLES), len(CHROMOSOMES)))
    )


SEGMENTS: Mapping[str, Unit] = {
    "log2 ratio": lambda x: x,
    "absolute copies": lambda x: 2 * 2.0**x,
    "whole copies": lambda x: np.rint(2 * 2.0**x),
    "ratio": lambda x: 2.0**x,
    "percent": lambda x: 100 * 2.0**x,
    "calls": lambda x: np.sign(np.rint(2 * x)),
}
HEADS: Mapping[str, tuple[str, str, str, str, str]] = {
    "DNAcopy": ("ID", "chrom", "loc.start", "loc.end", "seg.mean"),
    "GDC": ("GDC_Aliquot", "Chromosome", "Start", "End", "Segment_Mean"),
    "IGV": ("Sample", "Chromosome", "Start Position", "End Position", "Seg.CN"),
    "plain": ("sample", "chr", "start", "end", "value"),
}


def segments(rng: np.random.Generator, truth: Values) -> Made:
    """Return a table of segments of the truth, two a chromosome, altered in one way of each kind."""
    unit, head, form = str(rng.choice(list(SEGMENTS))), str(rng.choice(list(HEADS))), str(rng.choice(FORMS_OF_SEGMENTS))
    values = SEGMENTS[unit](truth)
    rows = []
    for sample, row in zip(SAMPLES, values, strict=True):
        for (chromosome, end), level in zip(CHROMOSOMES.items(), row, strict=True):
            name = f"chr{chromosome}" if form == "chr" else chromosome
            cut = int(rng.integers(end // 3, end // 2))
            places = [(1, cut), (cut + 1, end + (10_000_000 if form == "past the end" else 0))]
            rows += [
                [sample, name, _place(start, form), _place(stop, form), written(float(level), unit, form)]
                for start, stop in places
            ]
    titles = list(HEADS[head])
    if form == "columns of annotation":
        titles[4:4], rows = ["Num_Probes"], [[*row[:4], "90", row[4]] for row in rows]
    if form == "columns in another order":
        titles, rows = titles[::-1], [row[::-1] for row in rows]
    if form == "rows in another order":
        rows = [rows[i] for i in rng.permutation(len(rows))]
    if form == "a cell of text":
        rows[5][-1] = "low"
    if form == "row numbers":
        titles, rows = ["", *titles], [[str(i), *row] for i, row in enumerate(rows)]
    return Made(("segments", unit, head, form), laid_out([titles, *rows], form), "cp1252" if "commas" in form else "utf-8")


FORMS_OF_SEGMENTS = ("plain", "chr", "semicolons, decimal commas", "commas", "quotes", "comments above", "row numbers", "columns of annotation", "thousands",
                     "columns in another order", "rows in another order", "past the end", "a cell of text", "empty last column", "powers")  # fmt: skip


def _place(place: int, form: str) -> str:
    return f"{place:,}" if form == "thousands" else f"{place:.9e}" if form == "powers" else str(place)


@dataclass(frozen=True)
class Assay:
    """What is altered, and which units are right."""

    name: str
    truth: Callable[[np.random.Generator], Values]
    units: Mapping[str, Unit]
    ids: Mapping[str, Callable[[int], str]]
    corner: tuple[str, ...]


ASSAYS = (
    Assay("rna", counts, RNA, IDS, ("gene_id", "", "Hugo_Symbol", "GeneID")),
    Assay("methylation", beta, METHYLATION, PROBES, ("ID_REF", "", "probe", "TargetID")),
    Assay("segments", levels, SEGMENTS, {}, ()),
    Assay("proteomics", intensities, PROTEINS, ACCESSIONS, ("Protein", "", "Protein.Group", "feature")),
)
FORMS = ("plain", "semicolons, decimal commas", "commas", "quotes", "no corner", "comments above", "row numbers", "a row Total", "columns of annotation",
         "empty last column", "thousands", "no titles", "a sample twice", "a cell of text", "GCT")  # fmt: skip


def written(value: float, unit: str, form: str) -> str:
    if value != value:
        return "NA"
    whole = float(value).is_integer() and abs(value) < 2**53
    text = f"{int(value)}" if whole and unit != "counts as 1.0" else f"{value:.6g}" if not whole else f"{value:.1f}"
    if form == "thousands" and whole and value >= 1000:
        return f"{int(value):,}"
    return text.replace(".", ",") if form.startswith("semicolons") else text


def table(rng: np.random.Generator, assay: Assay, truth: Values) -> Made:
    """Return a table of the truth, altered in one way of each kind."""
    unit, form, across = str(rng.choice(list(assay.units))), str(rng.choice(FORMS)), bool(rng.random() < 0.3)
    across = across and form not in ("GCT", "a row Total", "columns of annotation", "no corner")
    ids = str(rng.choice(list(assay.ids)))
    values = assay.units[unit](truth)
    names = [assay.ids[ids](i) for i in range(values.shape[1])]
    samples = [SAMPLES[0], SAMPLES[0], *SAMPLES[2:]] if form == "a sample twice" else SAMPLES
    body = [[name, *(written(x, unit, form) for x in values[:, i])] for i, name in enumerate(names)]
    head = [str(rng.choice(assay.corner)), *samples]
    if form == "a row Total":
        body.append(["Total", *(written(x, unit, form) for x in values.sum(axis=1))])
    if form == "columns of annotation":
        head[1:1], body = ["Description", "Length"], [[row[0], "some gene", str(900 + i), *row[1:]] for i, row in enumerate(body)]
    if form == "a cell of text":
        body[40][3] = "low"
    rows = [head, *body]
    if across:
        rows = [list(row) for row in zip(*rows, strict=True)]
    if form == "row numbers":
        rows = [["", *rows[0]], *([str(i), *row] for i, row in enumerate(rows[1:]))]
    return Made(
        (assay.name, unit, ids, form, "samples in rows" if across else "features in rows"),
        laid_out(rows, form),
        "cp1252" if "commas" in form else "utf-8",
    )


def laid_out(rows: list[list[str]], form: str) -> str:
    """Return rows of cells as the text of a form."""
    separator = ";" if form.startswith("semicolons") else "," if form == "commas" else "\t"
    if form in ("quotes", "thousands"):
        rows = [[f'"{cell}"' for cell in row] for row in rows]
    if form == "no corner":
        rows = [rows[0][1:], *rows[1:]]
    if form == "no titles":
        rows = rows[1:]
    if form == "empty last column":
        rows = [[*row, ""] for row in rows]
    if form == "GCT":
        size = f"{len(rows) - 1}\t{len(rows[0]) - 1}"
        rows = [["#1.2"], [size], ["Name", "Description", *rows[0][1:]], *([row[0], row[0], *row[1:]] for row in rows[1:])]
    above = "# made by hand\n# version 2\n" if form == "comments above" else ""
    return above + "".join(separator.join(row) + "\n" for row in rows)


def expected(assay: Assay, unit: str, truth: Values) -> Values | None:
    """Return what must come out of a unit; None where nothing may. Of segments the level of both arms of each chromosome."""
    if assay.name == "segments":
        copies = SEGMENTS[unit](truth)
        with np.errstate(divide="ignore"):
            logs = truth if unit == "log2 ratio" else np.log2(np.maximum(copies, LOWEST_COPIES) / 2)
        return np.repeat(logs, 2, axis=1) if unit in ("log2 ratio", "absolute copies", "whole copies") else None
    if assay.name == "rna":
        return truth if unit.startswith("counts") else None
    if assay.name == "methylation":
        return truth if unit in ("beta", "percent", "M") else None
    logs = np.log2(truth)
    return logs - np.median(logs, axis=1, keepdims=True) if unit in ("intensities", "log2") else None


def judged(assay: Assay, made: Made, truth: Values, path: Path) -> str:
    """Read a file as a build does; say `right`, `wrong`, or `refused` and why."""
    path.write_text(made.text, encoding=made.encoding)
    try:
        gated = read("copy_number" if assay.name == "segments" else assay.name, AssayFiles(path))  # type: ignore[arg-type]
    except Unusable as problem:
        return f"refused: {problem.reason}" if problem.remedy else "refused without a next step"
    except UserError:
        return "refused: user error"
    right = None if made.how[3] == "past the end" else expected(assay, made.how[1], truth)
    kept = [name for name in SAMPLES if name in gated.adata.obs_names]
    if made.how[3] == "a sample twice":
        kept = [name for name in kept if name != SAMPLES[0]]
    strange = set(map(str, gated.adata.obs_names)) - set(kept)
    if strange or (right is None and kept):
        return "wrong"
    if right is None or not kept:
        return "refused: every sample"
    came, meant = np.asarray(gated.adata[kept].X, dtype=float), right[[SAMPLES.index(name) for name in kept]]
    if assay.name == "segments":
        arms = [f"{chromosome}{arm}" for chromosome in CHROMOSOMES for arm in "pq"]
        came = came[:, [list(gated.adata.var_names).index(arm) for arm in arms]]
    else:  # features may bear other names than the file has
        came, meant = np.sort(came, axis=1), np.sort(meant, axis=1)
    same = came.shape == meant.shape and np.allclose(came, meant, rtol=1e-3, atol=2e-3, equal_nan=True)
    return ("right" if len(kept) >= len(SAMPLES) - 2 else "right, of some samples") if same else "wrong"


def main() -> None:
    """Make the files, judge each, and print what became of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    said = parser.parse_args()
    said.folder.mkdir(parents=True, exist_ok=True)
    found: Counter[str] = Counter()
    for number in range(said.files):
        rng = np.random.default_rng([said.seed, number])
        assay = ASSAYS[number % len(ASSAYS)]
        truth = assay.truth(rng)
        made = segments(rng, truth) if assay.name == "segments" else table(rng, assay, truth)
        verdict = judged(assay, made, truth, said.folder / "matrix.txt")
        found[verdict] += 1
        if verdict.startswith(("wrong", "refused without")) or (
            verdict.startswith("refused") and expected(assay, made.how[1], truth) is not None
        ):
            print(number, verdict, *made.how, sep=" | ", flush=True)
    print(json.dumps(dict(found.most_common())))


if __name__ == "__main__":
    main()
