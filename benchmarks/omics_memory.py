"""Time and memory of reading large assays: a MAF, a methylation table, single cells to pseudobulk.

    python -m benchmarks.omics_memory FOLDER maf --rows 5000000
    python -m benchmarks.omics_memory FOLDER methylation --rows 450000 --samples 1000
    python -m benchmarks.omics_memory FOLDER cells --rows 1000000

Writes the file into FOLDER unless it is there, and reads it as a build does, in a process of its own. Prints CPU seconds (imports
included) and the peak of memory.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.omics import own_peak_kb

CLASSES = ["Missense_Mutation", "Silent", "Nonsense_Mutation", "Intron", "Frame_Shift_Del", "Splice_Site", "3'UTR"]


def write_maf(path: Path, rows: int) -> None:
    """Write `rows` variants of 10,000 tumours, with 20 columns."""
    from unibase.omics.genes import gene_table

    genes = np.array(sorted(gene.symbol for gene in gene_table()._symbol.values()))[:20_000]
    rng = np.random.default_rng(1)
    with path.open("wb") as file:
        for start in range(0, rows, 500_000):
            n = min(500_000, rows - start)
            places = rng.integers(1, 46_000_000, n)  # on every chromosome
            frame = pl.DataFrame(
                {
                    "Hugo_Symbol": genes[rng.integers(0, len(genes), n)], "Entrez_Gene_Id": rng.integers(1, 99_999, n), "Center": "lyon",
                    "NCBI_Build": "GRCh38", "Chromosome": [f"chr{i}" for i in rng.integers(1, 23, n)], "Start_Position": places, "End_Position": places,
                    "Strand": "+", "Variant_Classification": rng.choice(CLASSES, n), "Variant_Type": "SNP", "Reference_Allele": "C",
                    "Tumor_Seq_Allele1": "C", "Tumor_Seq_Allele2": "T", "dbSNP_RS": "novel", "Tumor_Sample_Barcode": [f"LY-{i:05d}-01A" for i in rng.integers(0, 10_000, n)],
                    "Matched_Norm_Sample_Barcode": "NORMAL", "Mutation_Status": "Somatic", "HGVSp_Short": [f"p.R{i}H" for i in rng.integers(1, 999, n)],
                    "t_depth": rng.integers(20, 400, n), "FILTER": "PASS",
                }
            )  # fmt: skip
            frame.write_csv(file, separator="\t", include_header=start == 0)


def write_beta(path: Path, probes: int, samples: int) -> None:
    """Write beta values of 4 digits, probes in rows."""
    rng = np.random.default_rng(2)
    with path.open("w") as file:
        file.write("\t".join(["probe", *(f"LY-{i:04d}" for i in range(samples))]) + "\n")
        for start in range(0, probes, 2000):
            n = min(2000, probes - start)
            low = rng.beta(1.5, 15, (n, 1))
            values = np.clip(np.where(rng.random((n, 1)) < 0.5, low, 1 - low) + rng.normal(0, 0.02, (n, samples)), 0.001, 0.999)
            frame = pl.DataFrame(values.round(4)).insert_column(0, pl.Series("p", [f"cg{start + i:08d}" for i in range(n)]))
            file.write(frame.write_csv(separator="\t", include_header=False))


def write_cells(path: Path, cells: int) -> None:
    """Write whole counts of `cells` and 2,000 genes, one in twenty above zero, of 100 samples and 5 types."""
    import anndata
    import pandas as pd
    from scipy import sparse

    rng = np.random.default_rng(3)
    per, genes = 100, 2000
    indices = rng.integers(0, genes, (cells, per), dtype=np.int32)
    indices.sort(axis=1)
    x = sparse.csr_matrix(
        (rng.integers(1, 5, cells * per).astype(np.float32), indices.ravel(), np.arange(0, cells * per + 1, per)), (cells, genes)
    )
    x.sum_duplicates()
    obs = pd.DataFrame(
        {
            "sample": pd.Categorical([f"LY-{i}" for i in rng.integers(0, 100, cells)]),
            "cell_type": pd.Categorical([f"T{i}" for i in rng.integers(0, 5, cells)]),
        },
        index=[f"c{i}" for i in range(cells)],
    )
    anndata.AnnData(x, obs=obs, var=pd.DataFrame(index=[f"ENSG{i:011d}" for i in range(genes)])).write_h5ad(path)


def read_one(assay: str, path: Path) -> None:
    """Read one file as a build does, stage it, put it together with itself alone; print what each step took up to its end."""
    from unibase.omics.assays.mutations import combined
    from unibase.omics.assays.registry import AssayFiles, read
    from unibase.omics.stores import arrays_together, blocks, store

    gated = read(assay, AssayFiles(path, scratch=path.parent))  # type: ignore[arg-type]
    size = {"samples": gated.adata.n_obs, "features": gated.adata.n_vars}
    told(assay, "read", **size)
    if assay == "single_cell":
        return
    staged, whole = path.with_suffix(".staged.zarr"), path.with_suffix(".whole.zarr")
    blocks.write_gated(gated.adata, staged)
    told(assay, "staged")
    del gated
    if assay == "methylation":
        arrays_together.put_together([staged], (), whole)
    else:
        joined = combined([store.read_zarr(staged)])
        blocks.write_rows(whole, joined.obs, joined.var, joined.blocks)
    told(assay, "together")
    for made in (staged, whole):
        shutil.rmtree(made)


def told(assay: str, step: str, **size: int) -> None:
    """Print CPU seconds and peak of memory up to now."""
    took = {"cpu_s": round(time.process_time(), 1), "peak_mb": round(own_peak_kb() / 1024)}
    print(json.dumps({"assay": assay, "step": step, **size, **took}), flush=True)


def main() -> None:
    """Write the file where it is missing, and read it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("what", choices=("maf", "methylation", "cells"))
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--read", action="store_true", help="read alone, in this process")
    said = parser.parse_args()
    assay, name = {"maf": ("mutations", "x.maf"), "methylation": ("methylation", "x.tsv"), "cells": ("single_cell", "x.h5ad")}[
        said.what
    ]
    path = said.folder / f"{said.rows}-{said.samples}-{name}"
    if said.read:
        return read_one(assay, path)
    if not path.exists():
        write = {"maf": lambda: write_maf(path, said.rows), "cells": lambda: write_cells(path, said.rows)}
        write.get(said.what, lambda: write_beta(path, said.rows, said.samples))()
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "benchmarks.omics_memory", *sys.argv[1:], "--read"], check=True)
    print(json.dumps({"wall_s": round(time.perf_counter() - began, 1), "file_mb": round(path.stat().st_size / 1e6)}))


if __name__ == "__main__":
    main()
