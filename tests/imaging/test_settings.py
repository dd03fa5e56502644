"""Parameter files: read as PyRadiomics reads them, refused where it refuses them, digested by meaning."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from unibase.groundwork.problems import UserError
from unibase.imaging.engine import filters
from unibase.imaging.engine.setting import FilterSettings, Setting
from unibase.imaging.radiomics import settings as settings_module
from unibase.imaging.radiomics.settings import DEFAULTS, FeatureSettings, default_settings, make_settings, read_settings

FILE = """
# comment
imageType:
  Original: {}
  LoG:
    sigma: [1.0, 3]
    binWidth: 10
  Wavelet: {}
featureClass:
  shape:
  firstorder: []
  glcm:
    - Contrast
    - Imc1
setting:
  binWidth: 25
  label: 1
  interpolator: sitkBSpline
  resampledPixelSpacing: # [1, 1, 1]
  weightingNorm:
  geometryTolerance: 0.0001
  resegmentRange: [-3, 3]
  resegmentMode: sigma
"""


def pyradiomics(content: Any) -> Any:
    """PyRadiomics' own reading of a parameter dictionary, or its refusal."""
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    extractor = RadiomicsFeatureExtractor(content)
    extractor.settings.pop("additionalInfo")
    return extractor


def test_a_file_means_what_it_means_to_pyradiomics(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(FILE)
    ours = read_settings(path)
    from radiomics.featureextractor import RadiomicsFeatureExtractor

    theirs = RadiomicsFeatureExtractor(str(path))
    theirs.settings.pop("additionalInfo")
    assert dict(ours.setting) == theirs.settings
    assert {name: own or {} for name, own in theirs.enabledImagetypes.items()} == dict(ours.image_types)
    assert {name: features or None for name, features in theirs.enabledFeatures.items()} == dict(ours.feature_classes)


def test_defaults_are_pyradiomics_defaults() -> None:
    theirs = pyradiomics({})
    assert dict(DEFAULTS) == theirs.settings
    assert set(default_settings().feature_classes) == set(theirs.enabledFeatures) - {"shape2D"}


VALUES: list[Any] = [
    None,
    True,
    0,
    1,
    3,
    -0.5,
    1.5,
    "sitkLinear",
    "sigma",
    "euclidean",
    "coif1",
    "x",
    [],
    [1],
    [0, 2.5],
    ["a"],
    [None],
]
KEYS = [
    "binWidth", "binCount", "normalize", "normalizeScale", "removeOutliers", "resampledPixelSpacing", "interpolator", "padDistance",
    "distances", "force2D", "force2Ddimension", "resegmentMode", "resegmentShape", "preCrop", "minimumROIDimensions", "minimumROISize",
    "geometryTolerance", "label", "label_channel", "sigma", "start_level", "level", "wavelet", "gradientUseSpacing", "voxelArrayShift",
    "symmetricalGLCM", "weightingNorm", "gldm_a", "resegmentRange", "correctMask", "nonsense",
]  # fmt: skip


def refused_later(key: str, value: Any) -> bool:
    """Values that pass PyRadiomics' check and that it cannot compute with, or that are a number by accident (True)."""
    empty = value is None or value == [None]
    # An assertion on the number of dimensions, when the image is there.
    if key == "resampledPixelSpacing" and isinstance(value, list) and len(value) not in (2, 3):
        return True
    return empty or (key, value) == ("resegmentRange", []) or (key == "interpolator" and value is True)


@pytest.mark.parametrize("key", KEYS)
def test_a_setting_is_refused_exactly_where_pyradiomics_refuses_it(key: str) -> None:
    logging.getLogger("pykwalify").setLevel(logging.CRITICAL + 1)
    for value in VALUES:
        content = {"setting": {key: value}}
        try:
            pyradiomics(content)
            accepted = True
        except Exception:
            accepted = False
        try:
            ours = make_settings(content)
        except UserError as error:
            assert key in str(error)
            assert not accepted or refused_later(key, value), error
        else:
            assert accepted, value
            assert ours.setting[key] == value


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"imageType": {"LoG": {}}}, "imageType.LoG needs sigma"),
        ({"imageType": {"Sobel": {}}}, "imageType.Sobel is unknown"),
        ({"imageType": {"LBP4D": {}}}, "imageType.LBP4D is unknown"),
        ({"featureClass": {"glcm": ["Contrasts"]}}, "featureClass.glcm: unknown Contrasts"),
        ({"featureClass": {"texture": None}}, "featureClass.texture is unknown"),
        ({"setting": {"binWidth": "wide"}}, "setting.binWidth must be a number above 0"),
        ({"setting": {"binwidth": 25}}, "setting.binwidth is unknown"),
        ({"settings": {}}, "unknown key settings"),
        ({"voxelSetting": {"kernelRadius": 0}}, "voxelSetting.kernelRadius must be a whole number of at least 1"),
        ({"setting": [1]}, "setting must be a mapping"),
        ([1], "must be a mapping"),
        ({"ibsi": {"bin": 3}}, "ibsi: unknown ibsi options bin"),
        ({"ibsi": {"discretisation": "fbx"}}, "ibsi: discretisation"),
    ],
)
def test_messages_name_the_key_and_what_is_allowed(content: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        make_settings(content)


def test_three_spacings_are_taken_as_they_are() -> None:
    assert make_settings({"setting": {"resampledPixelSpacing": [0, 2.5, 1]}}).setting["resampledPixelSpacing"] == [0, 2.5, 1]


def test_files_that_are_no_parameter_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No feature settings"):
        read_settings(tmp_path / "absent.yaml")
    (tmp_path / "bad.yaml").write_text("setting:\n  binWidth: [1\n")
    with pytest.raises(UserError, match="no valid YAML"):
        read_settings(tmp_path / "bad.yaml")
    (tmp_path / "empty.yaml").write_text("")
    assert read_settings(tmp_path / "empty.yaml") == default_settings()
    (tmp_path / "p.json").write_text('{"setting": {"binWidth": 10}}')
    assert read_settings(tmp_path / "p.json").setting["binWidth"] == 10


def test_digest_is_of_the_meaning(tmp_path: Path) -> None:
    first: FeatureSettings = make_settings({"setting": {"binWidth": 10, "normalize": True, "additionalInfo": True}})
    second = make_settings({"setting": {"normalize": True, "binWidth": 10}})
    assert first.digest == second.digest
    assert first.digest != make_settings({"setting": {"binWidth": 11, "normalize": True}}).digest
    assert first.digest != make_settings({"setting": {"binWidth": 10, "normalize": True}, "ibsi": {"bins": 64}}).digest
    assert make_settings(first.as_dict()).digest == first.digest


def test_a_setting_that_is_checked_has_a_type_and_the_other_way_round() -> None:
    assert set(Setting.__annotations__) == set(settings_module._CHECKS)
    assert set(DEFAULTS) <= set(Setting.__annotations__)


def test_a_parameter_of_a_filter_has_a_type_and_the_other_way_round() -> None:
    taken = {parameter for one in filters._DEFAULTS.values() for parameter in one}
    assert set(FilterSettings.__annotations__) == taken | {"filter", "boundary"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_parameter_file_in_the_encodings_of_editors(tmp_path: Path, encoding: str, end: str) -> None:
    text = f"# paramètres{end}setting:{end}  binWidth: 7{end}"
    (tmp_path / "p.yaml").write_bytes(text.encode(encoding))
    assert read_settings(tmp_path / "p.yaml") == make_settings({"setting": {"binWidth": 7}})
