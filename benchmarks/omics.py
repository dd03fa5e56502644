"""Omics at scale: CPU, memory and time of each step in a process of its own, peers beside us in one run.

    .venv/bin/python benchmarks/omics.py FOLDER --samples 2000 20000 --genes 20000 [--peers 2000] [--repeat 3]

FOLDER keeps the simulated stores (about 1.3 GB for 20,000 x 20,000). Each line: step, samples, CPU seconds (user and
system, children too), seconds, peak memory of the process in MB. Imports and compiled-kernel loading are inside every
figure. edgeR needs Rscript with edgeR and is given a text-free binary matrix; rnanorm is run through `uv run --with`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

CHECKOUT = Path(__file__).resolve().parent.parent


def simulated_blocks(samples: int, genes: int, block: int = 200) -> Iterator[np.ndarray]:
    """Bulk-like counts: gamma levels over genes, libraries of 5 to 80 million, noise from a pool; 200 genes silent."""
    rng = np.random.default_rng(7)
    level = rng.gamma(0.35, 1.0, genes)
    level[:200] = 0
    level /= level.sum()
    pool = rng.gamma(4.0, 0.25, 1 << 22).astype(np.float32)
    for start in range(0, samples, block):
        n = min(block, samples - start)
        depth = np.exp(rng.uniform(np.log(5e6), np.log(8e7), n))
        out = np.empty((n, genes), np.int32)
        for i in range(n):
            at = int(rng.integers(0, len(pool) - genes))
            out[i] = level * depth[i] * pool[at : at + genes] + 0.37
        yield out


def make(store: Path, samples: int, genes: int, prefix: str = "s") -> None:
    if store.exists():
        return
    from unibase.omics.stores import chunks

    names = [f"{prefix}{i:06d}" for i in range(samples)]
    chunks.write_counts(store, names, [f"g{i}" for i in range(genes)], simulated_blocks(samples, genes))


def step(name: str, store: Path, out: Path) -> dict[str, object]:
    """Run one step in this process; return facts worth printing."""
    from unibase.omics.stores import chunks, scale

    if name == "copy":
        samples, genes = chunks.names_of(store)
        source = chunks.open_x(store)
        target = chunks.create_store(out, samples, genes, "int32", rows=source.chunks[0])
        for start in range(0, source.shape[0], source.chunks[0]):
            target[start : start + source.chunks[0]] = source[start : start + source.chunks[0]]
        return {}
    if name == "log-normalise":
        scale.log_normalise(store, out)
        return {}
    if name == "log-normalise-dask-2":
        from unibase.groundwork.cluster import dask_client

        with dask_client(workers=2) as client:
            scale.log_normalise(store, out, client=client)
        return {}
    if name == "tmm-fit":
        return {"digest": scale.fit([store], "tmm").digest[:16]}
    if name == "tmm-fit-dask-2":
        from unibase.groundwork.cluster import dask_client

        with dask_client(workers=2) as client:
            return {"digest": scale.fit([store], "tmm", client=client).digest[:16]}
    if name == "scanpy-memory":
        import anndata
        import scanpy

        data = anndata.read_zarr(store)
        data.X = data.X.astype(np.float32)
        scanpy.pp.normalize_total(data, target_sum=1e4)
        scanpy.pp.log1p(data)
        data.var["mean"], data.var["var"] = data.X.mean(axis=0), data.X.var(axis=0)
        data.write_zarr(out)
        return {}
    if name == "scanpy-dask":
        import anndata
        import dask
        import dask.array
        import scanpy

        dask.config.set(scheduler="threads", num_workers=2)
        data = anndata.AnnData(X=dask.array.from_zarr(chunks.open_x(store)).astype(np.float32))
        scanpy.pp.normalize_total(data, target_sum=1e4)
        scanpy.pp.log1p(data)
        mean, var = dask.compute(data.X.mean(axis=0), data.X.var(axis=0))
        data.var["mean"], data.var["var"] = mean, var
        data.write_zarr(out)
        return {}
    if name.startswith("fit-"):
        model = scale.fit([store], name.removeprefix("fit-"))
        return {"digest": model.digest[:12]}
    if name == "edger-tmm":
        raw = out.with_suffix(".bin")
        values = np.asarray(chunks.open_x(store)[:])
        raw.write_bytes(values.tobytes())
        code = (
            f'suppressMessages(library(edgeR)); x <- matrix(readBin("{raw}", "integer", {values.size}, 4), {values.shape[1]}); '
            't <- system.time(f <- calcNormFactors(x)); cat(t[["user.self"]] + t[["sys.self"]])'
        )
        del values
        done = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True, check=True)
        raw.unlink()
        return {"tmm_only_cpu": round(float(done.stdout), 2)}
    if name == "rnanorm-tmm":
        raw = out.with_suffix(".npy")
        np.save(raw, np.asarray(chunks.open_x(store)[:]))
        code = (
            "import numpy as np, time; from rnanorm import TMM; "
            f"x = np.load({str(raw)!r}); t = time.process_time(); TMM().fit_transform(x); print(time.process_time() - t)"
        )
        done = subprocess.run(
            [
                shutil.which("uv") or str(CHECKOUT / ".uv/bin/uv"),
                "run",
                "-q",
                "--no-project",
                "--with",
                "rnanorm",
                "python",
                "-W",
                "ignore",
                "-c",
                code,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        raw.unlink()
        return (
            {"tmm_only_cpu": round(float(done.stdout), 2)}
            if done.returncode == 0
            else {"failed": done.stderr.strip().splitlines()[-1][:120]}
        )
    raise SystemExit(f"no step {name}")


def own_peak_kb() -> int:
    """Peak of this program's own memory; `ru_maxrss` would count what the parent held when it started us, too."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1])


def measured(name: str, store: Path, folder: Path) -> dict[str, object]:
    """Run a step in a fresh process and measure it from there."""
    out = folder / f"out-{name}.zarr"
    shutil.rmtree(out, ignore_errors=True)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(CHECKOUT), "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, __file__, str(folder), "--step", name, str(store)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    shutil.rmtree(out, ignore_errors=True)
    if done.returncode:
        return {"step": name, "failed": done.stderr.strip().splitlines()[-1][:200]}
    return json.loads(done.stdout.strip().splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--samples", type=int, nargs="*", default=[2000, 20000])
    parser.add_argument("--genes", type=int, default=20000)
    parser.add_argument(
        "--steps", nargs="*", default=["copy", "log-normalise", "tmm-fit"], help="and fit-METHOD: fit-rle, fit-vst, fit-voom"
    )
    parser.add_argument("--peers", type=int, default=0, help="samples of the run beside scanpy, edgeR and rnanorm")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--add", type=int, default=0, help="time adding one sample to a transformed cohort of this many samples")
    parser.add_argument("--step", nargs=2)
    options = parser.parse_args()
    sys.path.insert(0, str(CHECKOUT))
    if options.step:
        name, store = options.step
        began = time.perf_counter()
        facts = step(name, Path(store), options.folder / f"out-{name}.zarr")
        mine, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime
        peak = max(own_peak_kb(), theirs.ru_maxrss) / 1024
        print(
            json.dumps(
                {"step": name, "cpu_s": round(cpu, 2), "s": round(time.perf_counter() - began, 2), "peak_mb": round(peak)} | facts
            )
        )
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    runs = [(n, options.steps) for n in options.samples]
    if options.peers:
        runs.append((options.peers, ["log-normalise", "scanpy-memory", "scanpy-dask", "tmm-fit", "edger-tmm", "rnanorm-tmm"]))
    for samples, steps in runs:
        store = options.folder / f"counts-{samples}x{options.genes}.zarr"
        make(store, samples, options.genes)
        for name in steps:
            results = [measured(name, store, options.folder) for _ in range(options.repeat)]
            middle = sorted(results, key=lambda r: float(str(r.get("cpu_s", 0))))[len(results) // 2]
            spread = [float(str(r["cpu_s"])) for r in results if "cpu_s" in r]
            print(
                json.dumps(
                    {"samples": samples} | middle | ({"cpu_median": statistics.median(spread)} if len(spread) > 1 else {})
                ),
                flush=True,
            )
    if options.add:
        add_one(options.folder, options.add, options.genes)


def add_one(folder: Path, samples: int, genes: int) -> None:
    from unibase.groundwork.files import sha256_folder
    from unibase.omics.stores import scale
    from unibase.omics.stores.growing_cohort import Cohort

    big = folder / f"counts-{samples}x{genes}.zarr"
    make(big, samples, genes)
    one = folder / f"one-{genes}.zarr"
    make(one, 1, genes, prefix="new")
    place = folder / f"cohort-{samples}"
    shutil.rmtree(place, ignore_errors=True)
    began, cpu = time.perf_counter(), time.process_time()
    cohort = Cohort.start(place, scale.fit([big], "tmm"))
    print(
        json.dumps(
            {
                "samples": samples,
                "step": "fit",
                "s": round(time.perf_counter() - began, 1),
                "cpu_s": round(time.process_time() - cpu, 1),
            }
        ),
        flush=True,
    )
    began, cpu = time.perf_counter(), time.process_time()
    first = cohort.add(big)
    print(
        json.dumps(
            {
                "samples": samples,
                "step": "transform",
                "s": round(time.perf_counter() - began, 1),
                "cpu_s": round(time.process_time() - cpu, 1),
            }
        ),
        flush=True,
    )
    before = sha256_folder(first)
    began = time.perf_counter()
    cohort.add(one)
    seconds = time.perf_counter() - began
    peak = own_peak_kb() / 1024
    print(
        json.dumps(
            {
                "samples": samples,
                "step": "add-one",
                "s": round(seconds, 2),
                "earlier_bytes_unchanged": sha256_folder(first) == before,
                "peak_mb": round(peak),
            }
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
