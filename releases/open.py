"""Open a release: what is in it, on one screen."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from releases import manifest

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
        f"{about.get('study', '')} {about.get('version', '')}   {about.get('subjects', 0)} subjects   "
        f"{len(files)} files   {_bytes(size)}   {about.get('status', '')}",
        "",
        "Modalities (cohort.h5mu, cohort.zarr)",
    ]
    for name, shape in dict(about.get("modalities", {})).items():
        lines.append(f"  {name:<14}{shape['subjects']:>8} subjects x {shape['variables']:>7} variables")
    lines += ["", "Tables (tables/*.parquet, csv/*.csv)"]
    for path in sorted((folder / "tables").glob("*.parquet")):
        scan = pl.scan_parquet(path)
        names = scan.collect_schema().names()
        rows = scan.select(pl.len()).collect().item()
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


def _first(names: list[str]) -> str:
    text = ", ".join(names[:4])
    return text[:34] + ("..." if len(names) > 4 or len(text) > 34 else "")


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError
