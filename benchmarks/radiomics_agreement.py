"""`ibsi` mode beside MIRP and Pictologics on the tumours of the six sarcoma patients: every feature, every difference shown.

    python benchmarks/radiomics_agreement.py [--data ../shared/data] [--patients STS_002 ...] [--python '/envs/{peer}/bin/python']

The peers run in a process of their own, of `uv run --no-project --with ...`, or of a Python that has them (`--python`, where
`{peer}` stands for mirp or pictologics; Pictologics with PyMCubes). All read the same NIfTI files: the image in 32 bits, cut to
30 mm around the tumour. CT: re-segmented to -1000 to 400 HU, bins of 25 HU; PET: from 0, bins of 0.25 SUV; MR: 32 bins; and CT
once more on a grid of 2 mm. A value that differs is explained when our engine gives the peer's value by taking the peer's choice
(`radiomics_peer_choices.py`). MIRP's Moran's I and Geary's C come from random voxels in regions of 1,000 voxels and more and
cannot be repeated. Ends with an error when any other value differs.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

CHECKOUT = Path(__file__).resolve().parent.parent
MARGIN = 30.0
TOLERANCE = 1e-6
"""Relative; peers compute parts of it in 32 bits."""

SCENES: dict[str, dict[str, Any]] = {
    "CT": {"resegment_range": [-1000, 400], "discretisation": "fbs", "bin_size": 25.0, "ivh_discretisation": "none"},
    "PET": {
        "resegment_range": [0, None],
        "discretisation": "fbs",
        "bin_size": 0.25,
        "ivh_discretisation": "fbs",
        "ivh_bin_size": 0.1,
    },
    "MR_T1": {"discretisation": "fbn", "bins": 32, "ivh_discretisation": "fbn", "ivh_bins": 1000},
    "CT 2 mm": {
        "spacing": [2, 2, 2],
        "round_intensities": True,
        "resegment_range": [-1000, 400],
        "discretisation": "fbs",
        "bin_size": 25.0,
        "ivh_discretisation": "none",
    },
}

PACKAGES = {"mirp": ["mirp"], "pictologics": ["pictologics", "PyMCubes"]}
DRAWN = ("morph_moran_i", "morph_geary_c")
"""Features for which MIRP draws 100 voxels again and again in regions of 1,000 and more."""


def write_pairs(data: Path, patients: list[str], folder: Path) -> dict[str, dict[str, Any]]:
    """Write image and mask of every series as NIfTI, and return what each pair is."""
    import SimpleITK as sitk

    from unibase.imaging.dicom.volume import read_series
    from unibase.imaging.regions.masks import read_masks

    pairs = {}
    for place in sorted((data / "dicom/sts").glob("STS_*/*")):
        if patients and place.parent.name not in patients:
            continue
        volume = read_series(place / "image")
        (mask,) = read_masks(next((place / "mask").iterdir()), volume)
        spacing = volume.grid.spacing[::-1]
        box = []
        for axis in range(3):
            filled = np.flatnonzero(mask.array.any(axis=tuple(other for other in range(3) if other != axis)))
            reach = int(np.ceil(MARGIN / spacing[axis]))
            box.append(slice(max(0, filled[0] - reach), filled[-1] + reach + 1))
        for scene in [scene for scene in SCENES if scene.split()[0] == place.name]:
            name = f"{place.parent.name} {scene}"
            for kind, array in (("image", volume.array.astype(np.float32)), ("mask", mask.array.astype(np.uint8))):
                image = sitk.GetImageFromArray(np.ascontiguousarray(array[tuple(box)]))
                image.SetSpacing([float(step) for step in spacing[::-1]])
                (folder / name).mkdir(exist_ok=True)
                sitk.WriteImage(image, str(folder / name / f"{kind}.nii.gz"))
            pairs[name] = {"scene": scene, **SCENES[scene]}
    return pairs


def read_pair(folder: Path, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Image (float32), mask (bool), both (z, y, x), and spacing (z, y, x) in mm of a pair."""
    import SimpleITK as sitk

    image, mask = (sitk.ReadImage(str(folder / name / f"{kind}.nii.gz")) for kind in ("image", "mask"))
    return sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(mask) > 0, np.array(image.GetSpacing()[::-1])


def ours(folder: Path, pairs: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Our values; leaves the region on its final grid beside each pair, for the peers' surfaces."""
    from unibase.imaging.boxed import Boxed
    from unibase.imaging.engine import extract, ibsi
    from unibase.imaging.engine.options import IbsiOptions
    from unibase.imaging.radiomics.settings import make_settings

    found = {}
    for name, scene in pairs.items():
        image, mask, spacing = read_pair(folder, name)
        settings = make_settings({"ibsi": {key: value for key, value in scene.items() if key != "scene"}})
        found[name] = extract(image.astype(np.float64), mask, tuple(spacing), settings, "ibsi")["original"]
        options = IbsiOptions.of(settings.ibsi)
        whole = ibsi.resegmented(ibsi.prepare(image.astype(np.float64), Boxed.of(mask), tuple(spacing), options), options)
        np.savez(folder / name / "region.npz", region=whole.region, intensities=whole.intensities, spacing=whole.spacing)
    return found


def surface(peer: str, place: Path) -> tuple[float, float]:
    """Volume and area, in mm3 and mm2, of the surface that the package behind a peer makes of a region."""
    arrays = np.load(place / "region.npz")
    spacing = arrays["spacing"]
    if peer == "mirp":
        from skimage.measure import marching_cubes  # type: ignore[import-not-found]

        corners, triangles, _, _ = marching_cubes(np.pad(arrays["region"].astype(float), 1), 0.5, spacing=tuple(spacing))
    else:
        import mcubes  # type: ignore[import-not-found]

        solid = np.pad(arrays["intensities"].astype(float), 1).transpose(2, 1, 0)
        corners, triangles = mcubes.marching_cubes(np.ascontiguousarray(solid), 0.5)
        corners = corners * spacing[::-1]
    a, b, c = (corners[triangles[:, k].astype(int)].astype(float) for k in range(3))
    volume = abs(np.einsum("ij,ij->i", a, np.cross(b, c)).sum()) / 6
    return float(volume), float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def mirp(folder: Path, pairs: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    from mirp import extract_features  # type: ignore[import-not-found]

    words = {"fbs": "fixed_bin_size", "fbn": "fixed_bin_number", "none": "none"}
    found = {}
    for name, scene in pairs.items():
        low, high = scene.get("resegment_range") or (None, None)
        options: dict[str, Any] = {
            "image_modality": {"CT": "ct", "PET": "pet", "MR_T1": "mr"}[scene["scene"].split()[0]],
            "by_slice": False,
            "base_discretisation_method": words[scene["discretisation"]],
            "ivh_discretisation_method": words[scene["ivh_discretisation"]],
            "base_feature_families": "all",
            "glcm_spatial_method": ["3d_average", "3d_volume_merge"],
            "glrlm_spatial_method": ["3d_average", "3d_volume_merge"],
            "num_cpus": 1,
        }
        if low is not None or high is not None:
            options["resegmentation_intensity_range"] = [np.nan if end is None else float(end) for end in (low, high)]
        if scene["discretisation"] == "fbs":
            options["base_discretisation_bin_width"] = scene["bin_size"]
        else:
            options["base_discretisation_n_bins"] = scene["bins"]
        if scene["ivh_discretisation"] == "fbs":
            options["ivh_discretisation_bin_width"] = scene["ivh_bin_size"]
        elif scene["ivh_discretisation"] == "fbn":
            options["ivh_discretisation_n_bins"] = scene["ivh_bins"]
        if "spacing" in scene:
            options |= {"new_spacing": 2.0, "spline_order": 1, "roi_spline_order": 1, "anti_aliasing": False}
        files = {kind: str(folder / name / f"{kind}.nii.gz") for kind in ("image", "mask")}
        row = extract_features(**files, **options)[0].iloc[0].to_dict()
        found[name] = {_mirp_tag(key): float(value) for key, value in row.items() if _is_number(value)}
    return found


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _mirp_tag(name: str) -> str:
    """MIRP's name as the tag of the IBSI reference values: `cm_contrast_d1_3d_v_mrg_fbs_w25.0` is `cm_contrast_3D_comb`."""
    name = re.sub(r"_(fbs_w[\d.]+|fbn_n\d+)$", "", name)
    name = re.sub(r"_d1(?=_)|_a0\.0(?=_)", "", name)
    return name.replace("3d_v_mrg", "3D_comb").replace("3d_avg", "3D_avg").replace("_3d", "_3D")


def pictologics(folder: Path, pairs: dict[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    os.environ["PICTOLOGICS_DISABLE_WARMUP"] = "1"
    from pictologics import RadiomicsPipeline  # type: ignore[import-not-found]

    tags = _tags_by_code()
    found = {}
    for name, scene in pairs.items():
        steps: list[dict[str, Any]] = []
        if "spacing" in scene:
            spacing = {
                "new_spacing": (2.0, 2.0, 2.0),
                "interpolation": "linear",
                "mask_interpolation": "linear",
                "round_intensities": True,
            }
            steps.append({"step": "resample", "params": spacing})
        low, high = scene.get("resegment_range") or (None, None)
        if low is not None or high is not None:
            ends = {"range_min": low, "range_max": high}
            steps.append({"step": "resegment", "params": {key: value for key, value in ends.items() if value is not None}})
        binning: dict[str, Any] = {"method": scene["discretisation"].upper()}
        if scene["discretisation"] == "fbs":
            binning |= {"bin_width": scene["bin_size"], "min_val": low}
        else:
            binning |= {"n_bins": scene["bins"]}
        steps.append({"step": "discretise", "params": binning})
        families = ["intensity", "morphology", "texture", "histogram"]
        asked = {"families": families, "include_spatial_intensity": True, "include_local_intensity": True}
        steps.append({"step": "extract_features", "params": asked})
        pipeline = RadiomicsPipeline()
        pipeline.add_config("run", steps)
        files = [str(folder / name / f"{kind}.nii.gz") for kind in ("image", "mask")]
        row = dict(pipeline.run(*files, config_names=["run"])["run"])
        # Two codes are not IBSI's there: 10th and 90th percentile of the discretised intensities, and small zone emphasis.
        mended = {"1PR": "GPMT", "GPMT": "OZ0C", "P001": "5QRC"}
        codes = {str(key): str(key).rsplit("_", 1)[-1] for key in row}
        coded = {mended.get(codes[key], codes[key]): value for key, value in row.items()}
        found[name] = {tags[code]: float(value) for code, value in coded.items() if code in tags and _is_number(value)}
    return found


def _tags_by_code() -> dict[str, str]:
    """IBSI code to the tag of the aggregation that Pictologics has: merged over directions in 3D, or none."""
    with open(CHECKOUT / "imaging/ibsi_features.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["column"].endswith(("_3D_comb", "_3D")) or not row["aggregation"]]
    return {row["ibsi_code"]: row["column"] for row in rows if not row["column"].startswith("ivh_")}


PEERS = {"mirp": mirp, "pictologics": pictologics}


def compare(peer: str, folder: Path, pairs: dict[str, Any], mine: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Say what is equal, what differs and why; return the values whose difference nothing explains."""
    from radiomics_peer_choices import mirp_choices, pictologics_choices

    from unibase.imaging.engine.options import IbsiOptions

    choices = {"mirp": mirp_choices, "pictologics": pictologics_choices}[peer]
    unexplained: list[str] = []
    reasons: dict[str, dict[str, int]] = {}
    for scene in SCENES:
        equal = shown = drawn = total = 0
        names = [name for name in theirs if pairs[name]["scene"] == scene]
        for name in names:
            image, mask, spacing = read_pair(folder, name)
            options = IbsiOptions.of({key: value for key, value in pairs[name].items() if key != "scene"})
            as_peer = choices(image, mask, spacing, options, theirs[name]["surface"])
            voxels = int(np.load(folder / name / "region.npz")["intensities"].sum())
            values = theirs[name]["features"]
            for tag in sorted(set(mine[name]) & set(values)):
                total += 1
                if same(mine[name][tag], values[tag]):
                    equal += 1
                elif tag in as_peer and same(as_peer[tag][0], values[tag]):
                    shown += 1
                    counts = reasons.setdefault(as_peer[tag][1], {})
                    counts[tag] = counts.get(tag, 0) + 1
                elif peer == "mirp" and tag in DRAWN and voxels >= 1000:
                    drawn += 1
                else:
                    unexplained.append(f"{peer} {name} {tag}: {mine[name][tag]!r}, there {values[tag]!r}")
        if names:
            only = len(set(mine[names[0]]) - set(theirs[names[0]]["features"]))
            print(
                f"{peer}, {scene}: {len(names)} tumours, {total} values: {equal} equal, {shown} equal with its choice, "
                f"{drawn} drawn at random there; not computed there: {only}"
            )
    for why, counts in reasons.items():
        print(f"  {why}: {sum(counts.values())} values of {', '.join(sorted(counts))}")
    return unexplained


def same(a: float, b: float) -> bool:
    """Whether two values are equal to the tolerance, or both none."""
    return bool(np.isclose(a, b, rtol=TOLERANCE, atol=1e-9, equal_nan=True))


def run_peers(folder: Path, pairs: dict[str, dict[str, Any]], python: str | None, peers: list[str]) -> dict[str, Any]:
    """Return the features and the surface of each peer, computed in a process of another environment."""
    found = {}
    for peer in peers:
        needed = [word for package in (*PACKAGES[peer], "simpleitk") for word in ("--with", package)]
        command = [python.format(peer=peer)] if python else ["uv", "run", "--no-project", "--python", "3.12", *needed, "python"]
        (folder / "pairs.json").write_text(json.dumps(pairs))
        subprocess.run([*command, __file__, "--inner", peer, str(folder)], check=True, stdout=sys.stderr)
        found[peer] = json.loads((folder / f"{peer}.json").read_text())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=CHECKOUT.parent / "shared" / "data")
    parser.add_argument("--patients", nargs="*", default=[])
    parser.add_argument("--peers", nargs="*", default=list(PEERS))
    parser.add_argument("--python")
    parser.add_argument("--inner", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inner:
        peer, place = arguments.inner
        pairs = json.loads((Path(place) / "pairs.json").read_text())
        told = {
            name: {"features": features, "surface": surface(peer, Path(place) / name)}
            for name, features in PEERS[peer](Path(place), pairs).items()
        }
        (Path(place) / f"{peer}.json").write_text(json.dumps(told))
        return
    sys.path.insert(0, str(CHECKOUT))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pairs = write_pairs(arguments.data, arguments.patients, folder)
        mine = ours(folder, pairs)
        theirs = run_peers(folder, pairs, arguments.python, arguments.peers)
        unexplained = [line for peer in arguments.peers for line in compare(peer, folder, pairs, mine, theirs[peer])]
    print(f"not explained: {len(unexplained)}")
    if unexplained:
        raise SystemExit("\n".join(unexplained))


if __name__ == "__main__":
    main()
