"""Which features of real tumours withstand perturbation: six sarcoma patients, PET and CT, eleven perturbed copies each.

python benchmarks/radiomics_robustness.py [--data ../shared/data] [--engine unibase]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
os.environ.setdefault("OMP_NUM_THREADS", "1")
from unibase.imaging.options import Choices
from unibase.imaging.radiomics.robustness import RobustnessTask, extract_perturbed, robustness_table
from unibase.imaging.radiomics.settings import make_settings
from unibase.imaging.radiomics.task import FeatureTask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--engine", default="unibase")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for modality, width in (("PET", 0.25), ("CT", 25)):
            settings = make_settings({"setting": {"binWidth": width}})
            started, paths = time.process_time(), []
            for number, folder in enumerate(sorted((arguments.data / "dicom/sts").glob(f"*/{modality}")), start=1):
                masks = tuple(sorted((folder / "mask").iterdir()))
                out = Path(scratch) / f"{modality}{number}.parquet"
                task = FeatureTask(
                    folder / "image", masks, settings, {"GTV": ["gtv.*"]}, out, Choices(engine=arguments.engine), number
                )
                paths.append(extract_perturbed(RobustnessTask(task))["path"])
            table = robustness_table(pl.concat([pl.read_parquet(path) for path in paths]))
            good = table.filter(pl.col("icc_2_1_low") >= 0.75)
            print(
                f"{modality}: {table.height} features, {good.height} with a lower limit of ICC(2,1) of at least 0.75, {time.process_time() - started:.0f} CPU-s"
            )
            family = table.with_columns(family=pl.col("feature").str.split("_").list.first())
            shown = family.group_by("family", maintain_order=True).agg(
                pl.len().alias("features"),
                (pl.col("icc_2_1_low") >= 0.75).sum().alias("stable"),
                pl.col("icc_2_1").median().round(3).alias("median ICC(2,1)"),
            )
            print(shown)


if __name__ == "__main__":
    main()
