"""A table of methylation that is larger than memory gives what the same table gives whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unibase.groundwork.problems import Unusable
from unibase.omics.assays import methylation
from unibase.omics.assays.registry import AssayFiles, Gated, read, sample_names, together
from unibase.omics.readers import probe_blocks
from unibase.omics.stores import arrays_together, blocks, store

SAMPLES = [f"CHU-été-{i}" for i in range(9)]


def beta_of(probes: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    low = rng.beta(1.5, 15, (probes, 1))
    values = np.where(rng.random((probes, 1)) < 0.5, low, 1 - low) + rng.normal(0, 0.02, (probes, len(SAMPLES)))
    values = np.clip(values, 0.001, 0.999).round(4)
    values[rng.random(values.shape) < 0.01] = np.nan
    values[: probes // 20, :3] = np.nan  # missing in a third of the samples
    values[:, 7] = values[:, 6]
    values[: probes // 5, 8] = np.nan
    return values


def names_of(probes: int) -> list[str]:
    """Return names out of order, some of them replicates as EPIC v2 has them."""
    return [f"cg{(i * 7919) % probes:08d}_TC21" if i % 10 else f"cg{(7919 * (i + 1)) % probes:08d}_BC11" for i in range(probes)]


UNITS = {
    "beta": lambda beta: beta,
    "percent": lambda beta: (beta * 100).round(2),
    "M": lambda beta: np.log2(beta / (1 - beta)).round(4),
}
TABLES = {"plain": "", "GEO": '!Sample_title\t"x"\n!series_matrix_table_begin\n', "annotated": ""}


def write(path: Path, values: np.ndarray, names: list[str], form: str = "plain") -> None:
    beside = ["Chromosome"] if form == "annotated" else []
    rows = ["\t".join(["ID_REF", *beside, *SAMPLES])]
    for i, (name, row) in enumerate(zip(names, values, strict=True)):
        place = ["X" if i % 9 else "7"] if beside else []
        rows.append("\t".join([name, *place, *("" if np.isnan(x) else f"{x:g}" for x in row)]))
    end = "\n!series_matrix_table_end\n" if form == "GEO" else "\n"
    path.write_text(TABLES[form] + "\n".join(rows) + end, encoding="utf-8")


def by_blocks(path: Path, monkeypatch: pytest.MonkeyPatch, **said: str) -> Gated:
    monkeypatch.setattr(probe_blocks, "WHOLE", 0)
    monkeypatch.setattr(probe_blocks, "BLOCK", 9000)
    monkeypatch.setattr(methylation, "chunk_samples", lambda *_: 37)
    return read("methylation", AssayFiles.of(path, **said))


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("form", TABLES)
def test_what_is_read_by_blocks_is_what_is_read_whole(
    unit: str, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, masked = tmp_path / "x.tsv", tmp_path / "masked.txt"
    write(path, UNITS[unit](beta_of(600, 1)), names_of(600), form)
    masked.write_text("cg00000005\ncg00000011\n")
    whole = read("methylation", AssayFiles.of(path, masked=str(masked)))
    cut = by_blocks(path, monkeypatch, masked=str(masked))
    assert hasattr(cut.adata.X, "dask") and not hasattr(whole.adata.X, "dask")
    assert cut.refused == whole.refused and {reason for reason, _, _ in whole.refused.values()} == {
        "failed-array",
        "duplicate-sample",
    }
    assert [note.partition(" (")[0] for note in cut.notes] == [note.partition(" (")[0] for note in whole.notes]
    assert sample_names("methylation", AssayFiles(path)) == SAMPLES
    blocks.write_gated(cut.adata, tmp_path / "cut.zarr")
    read_back = store.read_zarr(tmp_path / "cut.zarr")
    assert list(read_back.var_names) == sorted(whole.adata.var_names) and list(read_back.var["symbol"]) == list(
        read_back.var_names
    )
    np.testing.assert_array_equal(read_back[whole.adata.obs_names, whole.adata.var_names].X, whole.adata.X)


def test_detection_p_values_are_taken_by_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, detection = tmp_path / "x.tsv", tmp_path / "p.tsv"
    names = [f"cg{i:08d}" for i in range(600)]
    write(path, beta_of(600, 2), names)
    write(detection, (np.random.default_rng(3).random((600, 9)) < 0.01).astype(float), names)
    whole = read("methylation", AssayFiles.of(path, detection=str(detection)))
    cut = by_blocks(path, monkeypatch, detection=str(detection))
    assert any("values not detected" in note for note in cut.notes)
    assert [n for n in cut.notes if "detected" in n] == [n for n in whole.notes if "detected" in n]
    np.testing.assert_array_equal(np.asarray(cut.adata.X), whole.adata.X)


def test_arrays_together_are_those_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = []
    for centre, probes in (("lyon", 600), ("CHU-été", 500)):
        write(tmp_path / f"{centre}.tsv", beta_of(probes, probes), [f"cg{i:08d}" for i in range(probes)])
        gated = read("methylation", AssayFiles(tmp_path / f"{centre}.tsv"))
        gated.adata.obs_names = [f"{centre}-{name}" for name in gated.adata.obs_names]
        parts.append(gated.adata)
        blocks.write_gated(gated.adata, tmp_path / f"{centre}.zarr")
    excluded = {str(parts[0].obs_names[1])}
    expected = together("methylation", [parts[0][[n not in excluded for n in parts[0].obs_names]], parts[1]])
    monkeypatch.setattr(blocks, "chunk_samples", lambda *_: 4)
    size = arrays_together.put_together(
        [tmp_path / f"{centre}.zarr" for centre in ("lyon", "CHU-été")], excluded, tmp_path / "all.zarr"
    )
    made = store.read_zarr(tmp_path / "all.zarr")
    assert size == expected.shape and dict(made.uns["methylation"]) == dict(expected.uns["methylation"])
    assert list(made.obs_names) == list(expected.obs_names) and list(made.var_names) == list(expected.var_names)
    np.testing.assert_array_equal(made.X, expected.X)
    np.testing.assert_array_equal(made.layers["beta"], expected.layers["beta"])


FAULTS = {
    "text in a cell": (lambda rows: [*rows[:500], rows[500].replace("\t", "\tx", 2), *rows[501:]], "not-a-number", "Row 500"),
    "a cut row": (lambda rows: [*rows[:400], rows[400].rpartition("\t")[0], *rows[401:]], "truncated-file", "Row 400"),
    "a probe twice": (lambda rows: [*rows, rows[3]], "repeated-probe", "listed twice"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_as_of_the_whole_table(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.tsv"
    write(path, np.nan_to_num(beta_of(600, 4), nan=0.5), [f"cg{i:08d}" for i in range(600)])
    harm, reason, said = FAULTS[fault]
    path.write_text("\n".join(harm(path.read_text(encoding="utf-8").splitlines())) + "\n", encoding="utf-8")
    with pytest.raises(Unusable) as whole:
        read("methylation", AssayFiles(path))
    with pytest.raises(Unusable) as cut:
        by_blocks(path, monkeypatch)
    assert (cut.value.reason, cut.value.message) == (whole.value.reason, whole.value.message)
    assert cut.value.reason == reason and said in cut.value.message


def test_samples_in_rows_are_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.tsv"
    beta = np.nan_to_num(beta_of(120, 5), nan=0.5).T[:7]
    path.write_text(
        "\n".join(
            [
                "\t".join(["sample", *(f"cg{i:08d}" for i in range(120))]),
                *("\t".join([SAMPLES[j], *map(str, row)]) for j, row in enumerate(beta)),
            ]
        ),
        encoding="utf-8",
    )
    cut = by_blocks(path, monkeypatch)
    assert not hasattr(cut.adata.X, "dask") and cut.adata.n_obs == 7
