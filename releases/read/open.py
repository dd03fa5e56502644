"""Open a release: what is in it, on one screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from unibase.groundwork.problems import UserError
from unibase.releases.content import manifest

WIDTH = 78


def describe(folder: Path | str) -> str:
    """Return one screen of text on a release: who, what, from what, and how to open it.

    Raises:
        UserError: If `folder` is no release.
    """
    folder = Path(folder)
    about = manifest.read(folder)
    files = about.get("files", {})
    size = sum(int(f["bytes"]) for f in files.values())
    lines = [
        f"{about.get('title', '')}",
        f"{about.get('study', '')} {about.get('version', '')}   {_rows(folder / 'tables' / 'subjects.parquet')} subjects   "
        f"{len(files)} files   {_bytes(size)}   {about.get('status', '')}",
        "",
        "Modalities (cohort.h5mu, cohort.zarr)",
    ]
    for name, shape in dict(about.get("modalities", {})).items():
        lines.append(f"  {name:<14}{_shape(folder, name):>8} subjects x {shape['variables']:>7} variables")
    lines += ["", "Tables (tables/*.parquet, csv/*.csv)"]
    for path in sorted((folder / "tables").glob("*.parquet")):
        scan = pl.scan_parquet(path)
        names = scan.collect_schema().names()
        rows = _rows(path)
        lines.append(f"  {path.stem:<14}{rows:>8} rows x {len(names):>5} columns   {_first(names)}")
    events = pl.scan_parquet(folder / "timeline" / "data" / "**" / "*.parquet", hive_partitioning=False)
    lines.append(f"  {'timeline/':<14}{events.select(pl.len()).collect().item():>8} events (MEDS 0.4.1)")
    lines += [
        "",
        f"Key fingerprint {about.get('key_fingerprint') or '-'}   settings {str(about.get('settings_digest', ''))[:16]}",
        "",
        "Open it",
        f"  page     {folder / 'report.html'}",
        f"  Python   mudata.read_h5mu('{folder / 'cohort.h5mu'}')",
        f"  R        source('{folder / 'load_release.R'}'); release <- load_release('{folder}')",
        "  words    dictionary/dictionary.csv describes every column",
    ]
    return "\n".join(lines) + "\n"


def _rows(path: Path) -> int:
    return int(pl.scan_parquet(path).select(pl.len()).collect().item())


def _shape(folder: Path, modality: str) -> int:
    """Return how many subjects a modality has; the manifest, which may be shown to others, does not always say."""
    return int(_modality(folder, modality)["X"].shape[0])


def read_variables(folder: Path | str, modality: str, variables: list[str]) -> pl.DataFrame:
    """Read some variables of one modality from `cohort.zarr`: `subject_id`, and a column per variable, missing as null.

    Only the chunks that hold the variables are read, so one gene of a wide assay opens at once.

    `folder` is the release, `modality` one of its names, `variables` names of what it measures.

    Raises:
        UserError: If the release has no such modality or variable.
    """
    group = _modality(folder, modality)
    place = {name: i for i, name in enumerate(_names(group["var"]))}
    unknown = [name for name in variables if name not in place]
    if unknown:
        raise UserError(
            f"The modality {modality} has no {', '.join(unknown[:5])}. dictionary/dictionary.csv lists its variables."
        )
    wanted = np.array([place[name] for name in variables], dtype=np.int64)
    order = np.argsort(wanted, kind="stable")
    values = np.empty((group["X"].shape[0], len(wanted)), dtype=group["X"].dtype)
    values[:, order] = group["X"].oindex[slice(None), wanted[order]] if len(wanted) else values
    frame = pl.DataFrame({"subject_id": [int(s) for s in _names(group["obs"])]}, schema={"subject_id": pl.Int64})
    columns = [pl.Series(name, values[:, i]) for i, name in enumerate(variables)]
    return frame.with_columns(columns).with_columns(cs.float().fill_nan(None))


def variable_names(folder: Path | str, modality: str) -> list[str]:
    """Return the names of the variables of one modality, in order.

    Args:
        folder: Folder of the release.
        modality: Name of the modality.

    Raises:
        UserError: If the release has no such modality.
    """
    return _names(_modality(folder, modality)["var"])


def gene_symbols(folder: Path | str, modality: str) -> list[str]:
    """Return the symbol of each gene of one modality, in the order of `variable_names`; empty where it has no symbols.

    Args:
        folder: Folder of the release.
        modality: Name of the modality.

    Raises:
        UserError: If the release has no such modality.
    """
    group = _modality(folder, modality)["var"]
    if "symbol" not in group:
        return []
    from anndata.io import read_elem  # Heavy, and only a modality of genes asks for it.

    found: Any = read_elem(group["symbol"])
    return ["" if name is None or name != name else str(name) for name in found]


def read_matrix(folder: Path | str, modality: str, subjects: Sequence[int]) -> NDArray[np.float64]:
    """Read all variables of some subjects in one modality, shape (subjects, variables); NaN where missing or not in it.

    Args:
        folder: Folder of the release.
        modality: Name of the modality.
        subjects: `subject_id` in the order of the rows.

    Raises:
        UserError: If the release has no such modality.
    """
    group = _modality(folder, modality)
    place = {name: row for row, name in enumerate(_names(group["obs"]))}
    have = [(row, place[str(subject)]) for row, subject in enumerate(subjects) if str(subject) in place]
    values = np.full((len(subjects), group["X"].shape[1]), np.nan)
    if have and values.shape[1]:
        rows, stored = (np.array(side) for side in zip(*have, strict=True))
        order = np.argsort(stored)
        values[rows[order]] = group["X"].oindex[stored[order], slice(None)]
    return values


def read_subject(folder: Path | str, modality: str, subject_id: int) -> pl.DataFrame:
    """Read all variables of one subject in one modality: `variable`, `value`.

    `folder` is the release, `subject_id` a pseudonym in it.

    Raises:
        UserError: If the release has no such modality, or the subject is not in it.
    """
    group = _modality(folder, modality)
    place = _row_of(group["obs"], subject_id)
    if place is None:
        raise UserError(f"The modality {modality} has no such subject.")
    return pl.DataFrame({"variable": _names(group["var"]), "value": np.asarray(group["X"][place])})


@dataclass(frozen=True)
class Annotation:
    """The value of one subject in a column of `obs`: whether the subject is in the modality, and the value, None when missing."""

    found: bool
    value: object


def read_annotation(folder: Path | str, modality: str, column: str, subject_id: int) -> Annotation | None:
    """Read one subject's value in a column of the `obs` of a modality; None where `obs` has no such column.

    `folder` is the release, `subject_id` a pseudonym in it.

    Raises:
        UserError: If the release has no such modality.
    """
    from anndata.io import read_elem

    obs = _modality(folder, modality)["obs"]
    if column not in obs.attrs["column-order"]:
        return None
    place = _row_of(obs, subject_id)
    if place is None:
        return Annotation(False, None)
    values: Any = read_elem(obs[column])
    value = values[place]
    return Annotation(True, None if value is None or value != value else value)


def read_layers(folder: Path | str, modality: str, variable: str, subject_id: int) -> dict[str, float | None]:
    """Read one cell in every layer of a modality, missing as None; empty where there is no layer or no such cell.

    `folder` is the release; the cell is that of `variable` and `subject_id`.

    Raises:
        UserError: If the release has no such modality.
    """
    group = _modality(folder, modality)
    place, names = _row_of(group["obs"], subject_id), _names(group["var"])
    if place is None or variable not in names or "layers" not in group:
        return {}
    cells = {layer: group["layers"][layer][place, names.index(variable)].item() for layer in sorted(group["layers"].array_keys())}
    return {layer: None if value != value else value for layer, value in cells.items()}


def _row_of(obs: object, subject_id: int) -> int | None:
    names = _names(obs)
    return names.index(str(subject_id)) if str(subject_id) in names else None


def _modality(folder: Path | str, modality: str) -> Any:
    import zarr

    mods: Any = zarr.open_group(Path(folder) / "cohort.zarr", mode="r")["mod"]
    known = sorted(mods.group_keys())
    if modality not in known:
        raise UserError(f"The release has no modality {modality}. It has: {', '.join(known)}.")
    return mods[modality]


def _names(group: Any) -> list[str]:
    return [str(name) for name in group[group.attrs["_index"]][:]]


def _first(names: list[str]) -> str:
    text = ", ".join(names[:4])
    return text[:34] + ("..." if len(names) > 4 or len(text) > 34 else "")


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError
