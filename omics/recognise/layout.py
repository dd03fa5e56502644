"""How a table lies: which side names features and which samples, and which rows and columns are neither."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from unibase.groundwork.problems import Unusable
from unibase.omics.options import Orientation
from unibase.omics.readers.tabular import Table, check_numbers, mostly_numbers
from unibase.omics.reasons import LONG_TABLE, NO_FEATURE_NAMES, NO_SAMPLE_NAMES, NOT_RECOGNISED, RESULTS_TABLE, SEVERAL_SAMPLES
from unibase.omics.recognise import names as words
from unibase.omics.recognise.matrix import Matrix, Side
from unibase.omics.recognise.names import Feature
from unibase.omics.recognise.quantities import chosen_columns
from unibase.omics.recognise.ranks import REMEDY
from unibase.omics.recognise.strangers import strangers

_FEW, _ENOUGH, _MOST = 0.1, 0.3, 0.8
"""Shares of names that are features: below `_FEW` a side names none, from `_ENOUGH` it may name features, from `_MOST` it does."""


def understand(table: Table, feature: Feature, orientation: Orientation = "auto", sample: str | None = None) -> Matrix:
    """Tell features from samples, and take out what is neither.

    Args:
        table: As `tabular.read_table` gives it.
        feature: What the features are.
        orientation: Which way the table lies, where the user says it.
        sample: Name of the only sample, where the file's name says it.

    Raises:
        Unusable: `not-recognised` when neither side names features, `no-sample-names`, `not-a-number`, `results-table`, `long-table`,
            `strange-column`.
    """
    titles = {words.plain(title) for title in table.titles}
    if len(titles & words.RESULT_TITLES) >= 2:
        raise Unusable(
            RESULTS_TABLE,
            "The table holds results of a differential analysis, not values of samples.",
            "Give the matrix that the analysis began with.",
        )
    side, why = _side(table, feature, orientation)
    if side == "features-in-rows":
        return _features_down(table, feature, why, sample)
    return _features_across(table, feature, why)


def _side(table: Table, feature: Feature, orientation: Orientation) -> tuple[Side, str]:
    if orientation != "auto":
        return (
            "samples-in-rows" if orientation == "samples-in-rows" else "features-in-rows"
        ), "orientation as the study file says"
    texts = [i for i in range(len(table.titles)) if not _numeric(table, i)]
    numeric = [i for i in range(len(table.titles)) if _numeric(table, i)]
    first = words.plain(table.titles[texts[0]]) if texts else words.plain(table.titles[0])
    down = _share_in_rows(table, feature, [*texts, *_number_names(table, numeric)], first)
    titled = words.look([table.titles[i] for i in numeric if table.titles[i]], feature) if table.titled else words.Names(0.0, "")
    # Samples that are numbered look like NCBI's numbers of genes, beside rows that bear names.
    across = 0.0 if titled.system.startswith("NCBI") and _names_of_rows(table, texts, feature) else titled.share
    said = f"{down:.0%} of the names in rows and {across:.0%} of the titles are {feature}s"
    if down >= _ENOUGH and down > across + 0.2:
        return "features-in-rows", said
    if across >= _ENOUGH and across > down + 0.2:
        return "samples-in-rows", said
    if first in words.SAMPLE_TITLES and feature == "protein" and across >= down:
        return "samples-in-rows", f"the first title names samples ({said})"
    named = first in words.GENE_TITLES or first in ("protein", "proteins", "probe", "antibody", "compositeelementref")
    if named and max(down, across) < _ENOUGH:
        _refuse_means_of_genes(table, texts, feature)
        return "features-in-rows", f"the first title names {feature}s ({said})"
    if down >= _FEW and across < _FEW and first not in words.SAMPLE_TITLES:
        return "features-in-rows", said
    if feature == "probe":
        _refuse_sites(table)
    raise Unusable(
        NOT_RECOGNISED,
        f"Nothing shows which side of the table names {feature}s: {said}.",
        f"Name them by an approved system, or say orientation: {feature}s-in-rows or samples-in-rows in the study file.",
    )


def _share_in_rows(table: Table, feature: Feature, columns: Sequence[int], first: str) -> float:
    """Return the share of names in rows that are features; few samples may be named as a gene is (PAT1) and count for none."""
    share = max((words.look(table.texts(i), feature).share for i in columns), default=0.0)
    few = first in words.SAMPLE_TITLES and table.frame.height < len(table.titles) / 2
    return 0.0 if few and share < _MOST else share


def _names_of_rows(table: Table, texts: Sequence[int], feature: Feature) -> bool:
    """Whether most rows bear names of features that are no numbers."""
    return any(words.look(table.texts(i), feature).share >= 0.8 for i in texts)


def _refuse_means_of_genes(table: Table, texts: Sequence[int], feature: Feature) -> None:
    """Refuse genes where an array's probes must be: their values are means, and meet no other array.

    Raises:
        Unusable: `not-recognised`.
    """
    if feature == "probe" and any(words.look(table.texts(i), "gene").share >= 0.5 for i in texts):
        raise Unusable(
            NOT_RECOGNISED,
            "The rows are genes, not probes: values were averaged over each gene.",
            "Give the table of probes (cg00000029) that it was made from.",
        )


def _refuse_sites(table: Table) -> None:
    """Refuse positions of the genome where an array's probes must be, as sequencing of bisulfite gives them.

    Raises:
        Unusable: `not-recognised`.
    """
    titled = {words.plain(title) for title in table.titles} & {"chr", "chrom", "chromosome", "seqnames"}
    if titled or all(re.match(r"(?i)(chr)?(\d{1,2}|[xym]|mt)([:._-]\d+.*)?$", name) for name in words.some_of(table.texts(0))):
        raise Unusable(
            NOT_RECOGNISED,
            "The rows are positions of the genome, not probes of an array: methylation by sequencing is not read.",
            "Give values by probe (cg00000029).",
        )


def _numeric(table: Table, column: int) -> bool:
    return table.is_number(column) or mostly_numbers(table.frame.get_column(f"c{column}"))


def _number_names(table: Table, numeric: Sequence[int]) -> list[int]:
    """Return columns of numbers that may name features: the first, or one whose title says so; names do not come again."""
    of_genes = words.GENE_TITLES | {"entrez", "entrezid", "entrezgeneid", "entrezgene", "ncbigeneid"}
    titled = [i for i in numeric[:3] if i == 0 or words.plain(table.titles[i]) in of_genes]
    return [i for i in titled if table.is_number(i) and len(set(table.texts(i))) >= 0.9 * table.frame.height]


def _features_down(table: Table, feature: Feature, why: str, sample: str | None) -> Matrix:
    chosen = chosen_columns(table, feature)
    naming = _naming_column(table, feature, chosen.dropped)
    features = table.texts(naming)
    if len(set(features)) < 0.5 * len(features):
        raise Unusable(
            LONG_TABLE, "Most names of features come again in other rows.", "Give one row a feature and one column a sample."
        )
    columns = [i for i in chosen.columns if i != naming and not _annotation(table, i)]
    if not columns:
        raise _no_values(table, [i for i in chosen.columns if i != naming])
    for place, column in enumerate(columns, start=1):
        check_numbers(table, column, place)
    samples = _sample_names(table, columns, chosen.named, sample)
    values = np.array(table.values(columns).T, order="C")
    symbol = next((i for i in range(len(table.titles)) if i != naming and _names_symbols(table, i)), None)
    length = next((i for i in range(len(table.titles)) if words.plain(table.titles[i]) in ("length", "genelength")), None)
    found = words.look(features, feature)
    evidence = [f"{feature}s in rows: {why}", *chosen.said]
    dropped = len(table.titles) - len(columns) - 1
    if dropped:
        evidence.append(f"{dropped} columns of annotation left out of the samples")
    matrix = Matrix(
        samples,
        features,
        values,
        None if symbol is None else table.texts(symbol),
        table.values([length])[:, 0] if length is not None and table.is_number(length) else None,
        "features-in-rows",
        found.system,
        tuple(evidence),
        found.share,
    )
    return strangers(_without_rows_that_are_none(matrix, feature), feature)


def _names_symbols(table: Table, column: int) -> bool:
    return not table.is_number(column) and words.plain(table.titles[column]) in words.SYMBOL_TITLES


def _naming_column(table: Table, feature: Feature, dropped: frozenset[int]) -> int:
    """Return the column that names the features: of the best kind of names, the first."""
    texts = [
        i
        for i in range(len(table.titles))
        if not table.is_number(i) and i not in dropped and not mostly_numbers(table.frame.get_column(f"c{i}"))
    ]
    scored = {i: words.look(table.texts(i), feature) for i in texts}
    good = [i for i in texts if scored[i].share >= _ENOUGH]
    stable = [i for i in good if scored[i].system in ("Ensembl", "mouse", "compound ids", "UniProt accessions")]
    if stable or good:
        return (stable or good)[0]
    numbers = [i for i in range(len(table.titles)) if table.is_number(i)]
    for i in _number_names(table, numbers):
        found = words.look(table.texts(i), feature)
        if found.share >= 0.8 and not words.row_numbers(table.texts(i)):
            return i
    if texts:
        return texts[0]
    if words.row_numbers(table.texts(0)):
        raise Unusable(
            NOT_RECOGNISED, "The first column holds row numbers, and no column names genes.", "Write the table with its names."
        )
    return 0


def _no_values(table: Table, columns: Sequence[int]) -> Unusable:
    """Return what is said of a table of which no column holds values."""
    if any(_holds_ranks(table, i) for i in columns):
        return Unusable(NOT_RECOGNISED, "Columns hold ranks: each whole number from 1 on once.", REMEDY)
    return Unusable(
        NOT_RECOGNISED, "No column of the table holds values of a sample.", "Give features in rows and samples in columns."
    )


def _holds_ranks(table: Table, column: int) -> bool:
    values = np.sort(table.values([column])[:, 0]) if table.is_number(column) else np.zeros(0)
    return len(values) >= 20 and np.array_equal(values, np.arange(1, len(values) + 1))


def _annotation(table: Table, column: int) -> bool:
    """Whether a column says something of the features: by its title, or because it holds row numbers or NCBI numbers."""
    title = words.plain(table.titles[column])
    if title in words.ANNOTATION_TITLES or (title in words.GENE_TITLES and title) or words.tells_of_genes(table.titles[column]):
        return True
    if not _numeric(table, column):
        return True
    if not table.is_number(column):
        return False
    texts = words.some_of(table.texts(column))
    if not title and words.row_numbers(texts):
        return True
    whole = [text for text in texts if text.isdigit() and text != "0"]
    if len(whole) < 0.9 * len(texts) or len(set(texts)) < 0.9 * len(texts) or len(texts) < 20:
        return False
    return words.row_numbers(texts) or words.look_at_genes(texts).system == "NCBI (Entrez) numbers"


def _sample_names(table: Table, columns: list[int], named: dict[int, str], sample: str | None) -> list[str]:
    if sample is not None:
        if len(columns) > 1:
            raise Unusable(
                SEVERAL_SAMPLES, "The file holds several samples; its name cannot name them all.", "Leave sample_from out."
            )
        return [sample]
    found = [named.get(i, table.titles[i]).strip() for i in columns]
    if not table.titled or not all(found) or (len(found) == 1 and words.plain(found[0]) in words.QUANTITIES):
        raise Unusable(
            NO_SAMPLE_NAMES,
            "The columns of the table have no titles that name samples: nobody can tell whose values they are.",
            "Add a first line with the names of the samples, or give files of one sample and say sample_from: file name.",
        )
    return found


def _without_rows_that_are_none(matrix: Matrix, feature: Feature) -> Matrix:
    """Take out rows of sums, of what counting tools could not assign, and of genes without a name."""
    from unibase.omics.genes import NO_NAME

    summary = np.array([bool(words.SUMMARY_ROWS.match(name)) for name in matrix.features])
    nameless = (
        np.array([name.upper() in NO_NAME for name in matrix.features]) if feature == "gene" else np.zeros(len(summary), bool)
    )
    values = matrix.values
    with np.errstate(invalid="ignore"):
        rest = np.nansum(values[:, ~summary], axis=1, keepdims=True)
        sums = (
            (np.abs(2 * values - rest) <= 1e-6 * np.abs(rest)).all(axis=0) & ~summary & (rest > 0).all() & (values.shape[1] > 10)
        )
    known = [words.look([name], feature).share for name in np.array(matrix.features)[sums]]
    sums[np.flatnonzero(sums)] = [share == 0 for share in known]
    drop = summary | nameless | sums
    if not drop.any():
        return matrix
    said = [*matrix.evidence]
    if (summary | sums).any():
        said.append(f"{int((summary | sums).sum())} rows of sums or of reads without a gene left out")
    if nameless.any():
        said.append(f"{int(nameless.sum())} rows without a name left out")
    keep = np.flatnonzero(~drop)
    return replace(
        matrix,
        features=[matrix.features[i] for i in keep],
        values=np.array(values[:, keep], order="C"),
        symbols=None if matrix.symbols is None else [matrix.symbols[i] for i in keep],
        lengths=None if matrix.lengths is None else matrix.lengths[keep],
        evidence=tuple(said),
    )


def _features_across(table: Table, feature: Feature, why: str) -> Matrix:
    if not table.titled:
        raise Unusable(
            NO_FEATURE_NAMES, "The columns of the table have no titles.", f"Add a first line with the names of the {feature}s."
        )
    whose = _whose_column(table, feature)
    columns = _columns_across(table, feature, whose)
    for place, column in enumerate(columns, start=1):
        check_numbers(table, column, place)
    found = words.look([table.titles[i] for i in columns], feature)
    evidence = [f"samples in rows: {why}"]
    if len(table.titles) - len(columns) > 1:
        evidence.append(f"{len(table.titles) - len(columns) - 1} columns that are no {feature}s left out")
    matrix = Matrix(
        table.texts(whose),
        [table.titles[i].strip() for i in columns],
        np.array(table.values(columns), order="C"),
        None,
        None,
        "samples-in-rows",
        found.system,
        tuple(evidence),
        found.share,
    )
    if not all(matrix.samples):
        raise Unusable(NO_SAMPLE_NAMES, "A row of the table has no name of a sample.", "Name each row, or remove it.")
    return _without_sums_of_samples(_without_rows_that_are_none(matrix, feature))


def _columns_across(table: Table, feature: Feature, whose: int) -> list[int]:
    """Return the columns that are features, where samples are rows and `whose` names them."""
    numeric = [i for i in range(len(table.titles)) if _numeric(table, i)]
    known = {i: words.look([table.titles[i]], feature).share > 0 for i in numeric}
    if feature == "gene" and words.look([table.titles[i] for i in numeric], feature).system == "NCBI (Entrez) numbers":
        # Of numbers alone nobody knows that 1 is A1BG; among others it is.
        known |= {i: True for i in numeric if table.titles[i].isdigit()}
    leading = next((n for n, i in enumerate(numeric) if known[i]), 0)
    columns: list[int] = []
    for n, i in enumerate(numeric):
        title = table.titles[i]
        other = words.annotates_proteins(title) if feature == "protein" else words.like_an_annotation(title) or n < leading
        none = not known[i] and i != whose and other
        summary = feature == "gene" and words.SUMMARY_ROWS.match(title)
        if i != whose and not none and not summary:
            columns.append(i)
    if not columns:
        raise Unusable(NOT_RECOGNISED, "No column of the table holds values.", "Give samples in rows and features in columns.")
    return columns


def _without_sums_of_samples(matrix: Matrix) -> Matrix:
    keep = [i for i, name in enumerate(matrix.samples) if not words.SUMMARY_ROWS.match(name)]
    if len(keep) == len(matrix.samples):
        return matrix
    said = f"{len(matrix.samples) - len(keep)} rows of sums left out of the samples"
    samples = [matrix.samples[i] for i in keep]
    evidence = (*matrix.evidence, said)
    return replace(matrix, samples=samples, values=matrix.values[keep], evidence=evidence)


def _whose_column(table: Table, feature: Feature) -> int:
    """Return the column that names the samples: one whose title says so, else the first text without repeats, else the first."""
    titled = [i for i in range(len(table.titles)) if words.plain(table.titles[i]) in words.SAMPLE_TITLES]
    titled.sort(key=lambda i: words.plain(table.titles[i]) in words.PATIENT_TITLES)  # a patient may have several samples
    texts = [i for i in range(len(table.titles)) if not _numeric(table, i)]
    unique = [i for i in [*titled, *texts] if len(set(table.texts(i))) == table.frame.height]
    if unique or titled or texts:
        return (unique or titled or texts)[0]
    if words.look([table.titles[0]], feature).share == 0 and not (table.titles[0] == "" and words.row_numbers(table.texts(0))):
        return 0
    if table.titles[0] == "":
        return 0
    raise Unusable(
        NO_SAMPLE_NAMES,
        "No column of the table names the samples.",
        "Write the table with the samples' names in its first column.",
    )


def bare_name(title: str) -> str:
    r"""Return a sample's name, `title`, without the folders and endings of the file that it was made from.

    >>> bare_name(r"D:\runs\S1.raw")
    'S1'
    """
    file = re.sub(r"^\[\d+\]\s*", "", re.split(r"[\\/]", title)[-1])  # Spectronaut numbers its runs
    return re.sub(r"\.(raw|mzml|d|wiff|dia|htrms)$", "", file, flags=re.IGNORECASE)
