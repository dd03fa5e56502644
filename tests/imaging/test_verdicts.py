"""Verdicts of a reviewer: they are obeyed, they fall on no other mask, and one that falls on nothing is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import SimpleITK as sitk

from unibase.groundwork.problems import UserError
from unibase.imaging.commands import PlainRun, extract_plain
from unibase.imaging.options import Choices
from unibase.imaging.radiomics.settings import make_settings
from unibase.imaging.radiomics.verdicts import judged, read_verdicts

SETTINGS = make_settings({"featureClass": {"firstorder": ["Mean"]}})


def written(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["source_digest,verdict,reviewer", *rows]) + "\n", encoding="utf-8")
    return path


def frame() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "SeriesInstanceUID": ["1", "1", "2", "3"],
            "region": ["GTV", "GTV shell 0-5 mm", "GTV", "GTV"],
            "roi_name": ["gtv", "gtv", "gtv", "gtv"],
            "mask_notes": [None, None, "cut-off-at-edge", None],
            "source_digest": ["a" * 64, "a" * 64, "b" * 64, "c" * 64],
        }
    )


def test_a_refused_region_goes_with_its_shell_and_a_kept_one_says_so(tmp_path: Path) -> None:
    verdicts = read_verdicts(written(tmp_path / "v.csv", f"{'a' * 16},refuse,x", f"{'B' * 64},KEEP,x"))
    left = judged(frame(), verdicts)
    assert left.features["SeriesInstanceUID"].to_list() == ["2", "3"]
    assert left.features["mask_notes"].to_list() == ["cut-off-at-edge, kept-by-reviewer", None]
    assert [(one.region, str(why.reason)) for one, why in left.refused] == [
        ("GTV", "refused-by-reviewer"),
        ("GTV shell 0-5 mm", "refused-by-reviewer"),
    ]
    assert left.unmatched == []
    assert judged(frame(), []).features.equals(frame())


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([f"{'a' * 64},perhaps,x"], "row 1: verdict must be one of keep, refuse, wrong-side"),
        (["abc,keep,x"], "row 1: source_digest needs at least 12 characters"),
        ([f"{'a' * 64},keep,x", f"{'a' * 20},refuse,y"], "rows 1 and 2: two verdicts on one region contradict"),
    ],
)
def test_a_wrong_verdict_is_named_by_its_row(tmp_path: Path, rows: list[str], said: str) -> None:
    with pytest.raises(UserError) as caught:
        read_verdicts(written(tmp_path / "v.csv", *rows))
    assert said in str(caught.value)


def test_a_file_without_digests_is_no_file_of_verdicts(tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text("region,verdict\nGTV,keep\n")
    with pytest.raises(UserError, match="lacks the column source_digest"):
        read_verdicts(tmp_path / "v.csv")
    with pytest.raises(UserError, match="No verdicts at"):
        read_verdicts(tmp_path / "absent.csv")


def test_a_verdict_does_not_fall_on_a_mask_that_was_drawn_anew(tmp_path: Path) -> None:
    image = np.random.default_rng(5).integers(0, 100, (6, 12, 12)).astype(np.int16)
    mask = np.zeros(image.shape, dtype=np.uint8)
    mask[1:4, 3:8, 3:8] = 1
    (tmp_path / "in").mkdir()
    for name in ("a", "b"):
        sitk.WriteImage(sitk.GetImageFromArray(image), str(tmp_path / f"in/{name}_image.nrrd"))
        sitk.WriteImage(sitk.GetImageFromArray(mask), str(tmp_path / f"in/{name}_mask.nrrd"))
        image, mask = image + 1, np.roll(mask, 1, axis=1)
    out, pictures = tmp_path / "o.parquet", tmp_path / "pictures"
    run = PlainRun(Choices(several="each"), pictures=pictures)
    extract_plain(tmp_path / "in", out, SETTINGS, run)
    first = pl.read_parquet(out).filter(pl.col("region") == "a_mask:1")["source_digest"][0]
    file = written(tmp_path / "v.csv", f"{first},wrong side,x")
    run = PlainRun(Choices(several="each"), pictures=pictures, verdicts=file)
    result = extract_plain(tmp_path / "in", out, SETTINGS, run)
    assert pl.read_parquet(out)["region"].to_list() == ["b_mask:1"] and result.rows == 1
    assert [one["reason"] for one in result.quarantined] == ["wrong-side"]
    looks = pl.read_parquet(pictures / "looks.parquet")
    assert looks.select("region", "verdict").rows() == [("b_mask:1", None), ("a_mask:1", "wrong-side")]
    assert f"source_digest {first[:16]}" in (pictures / "contact-sheet.html").read_text()
    mask[3, 4, 4] ^= 1
    sitk.WriteImage(sitk.GetImageFromArray(mask), str(tmp_path / "in/a_mask.nrrd"))
    result = extract_plain(tmp_path / "in", out, SETTINGS, run)
    assert result.rows == 2 and [one["reason"] for one in result.quarantined] == ["verdict-without-region"]
