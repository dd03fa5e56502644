"""Extraction settings: PyRadiomics parameter files as they are, checked, completed with defaults, and digested.

The keys, types and ranges are those of the parameter schema of PyRadiomics 3 (`radiomics/schemas/paramSchema.yaml`);
a test reads the same files through PyRadiomics itself. One top-level key is ours: `ibsi`, a mapping that only the
`ibsi` mode of our own engine reads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from unibase.groundwork.files import JsonObject, digest_of
from unibase.groundwork.problems import Unusable, UserError
from unibase.imaging import reasons
from unibase.imaging.engine.options import FAMILIES
from unibase.imaging.engine.setting import Setting
from unibase.imaging.plain.listing import decoded

DEFAULTS: Setting = {
    "minimumROIDimensions": 2,
    "minimumROISize": None,
    "normalize": False,
    "normalizeScale": 1,
    "removeOutliers": None,
    "resampledPixelSpacing": None,
    "interpolator": "sitkBSpline",
    "preCrop": False,
    "padDistance": 5,
    "distances": [1],
    "force2D": False,
    "force2Ddimension": 0,
    "resegmentRange": None,
    "label": 1,
}
"""What `RadiomicsFeatureExtractor` fills in itself. Defaults of single feature classes (binWidth 25, ...) are not here."""

FEATURE_CLASSES = ("firstorder", "glcm", "gldm", "glrlm", "glszm", "ngtdm", "shape", "shape2D")
"""All feature classes of PyRadiomics, in the order in which it computes them."""

IMAGE_TYPES = (
    "Original", "Wavelet", "LoG", "Square", "SquareRoot", "Logarithm", "Exponential", "Gradient", "LBP2D", "LBP3D",
)  # fmt: skip
"""All image types of PyRadiomics."""

_INTERPOLATORS = (
    "sitkNearestNeighbor",
    "sitkLinear",
    "sitkBSpline",
    "sitkGaussian",
    "sitkLabelGaussian",
    "sitkHammingWindowedSinc",
    "sitkCosineWindowedSinc",
    "sitkWelchWindowedSinc",
    "sitkLanczosWindowedSinc",
    "sitkBlackmanWindowedSinc",
)
_Check = tuple[Callable[[Any], bool], str]


@dataclass(frozen=True)
class FeatureSettings:
    """Everything that decides the value of a feature, apart from the image and the region.

    Attributes:
        image_types: PyRadiomics image type to its own settings, such as `{"Original": {}, "LoG": {"sigma": [1.0]}}`.
        feature_classes: Feature class to the features asked for; None or empty asks for all that are not deprecated.
        setting: Global settings, PyRadiomics' defaults filled in.
        ibsi: Settings of our own engine in `ibsi` mode; PyRadiomics never sees them.
        label: The one label to measure, when the file names it; None measures every label of a mask, where PyRadiomics takes 1.
        told: What the file asks for that has no effect here, a sentence each.
        voxel: The `voxelSetting` section: the kernel of maps. No feature of a region depends on it.
    """

    image_types: Mapping[str, Setting]
    feature_classes: Mapping[str, list[str] | None]
    setting: Setting
    ibsi: Mapping[str, Any] = field(default_factory=dict)
    label: int | None = None
    told: tuple[str, ...] = field(default=(), compare=False)
    voxel: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the effective settings; the layout of the file, its comments and key order do not count."""
        return digest_of(self.as_dict())

    def as_dict(self) -> JsonObject:
        """Return the effective settings as a JSON value in the form of a PyRadiomics parameter file."""
        value: JsonObject = {
            "imageType": {name: dict(own) for name, own in self.image_types.items()},
            "featureClass": {name: list(features or ()) for name, features in self.feature_classes.items()},
            # PyRadiomics' default label is none that was asked for: read again, the file must mean the same.
            "setting": {key: item for key, item in self.setting.items() if key != "label" or self.label is not None},
        }
        if self.ibsi:
            value["ibsi"] = dict(self.ibsi)
        return value

    def for_image_type(self, image_type: str) -> Setting:
        """Return the settings in force for one PyRadiomics `image_type`: the global ones, its own over them."""
        return {**self.setting, **self.image_types[image_type]}

    def wants(self, feature_class: str, feature: str, deprecated: bool = False) -> bool:
        """Say whether a `feature` of a `feature_class` is asked for; `deprecated` ones only by their name.

        >>> default_settings().wants("glcm", "Contrast"), default_settings().wants("shape2D", "Perimeter")
        (True, False)
        """
        if feature_class not in self.feature_classes:
            return False
        named = self.feature_classes[feature_class]
        return feature in named if named else not deprecated


def default_settings() -> FeatureSettings:
    """Return PyRadiomics' defaults: original image, all feature classes but shape2D, bin width 25."""
    return make_settings({})


def read_settings(path: Path | str) -> FeatureSettings:
    """Read the PyRadiomics parameter file at `path` (YAML, or JSON which YAML contains).

    Raises:
        UserError: If the file is absent, is no YAML, or holds a key or value that PyRadiomics refuses; the text names
            the key, what is wrong and what is allowed.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = Path(path)
    if not path.is_file():
        raise UserError(f"No feature settings at {path}. Name a PyRadiomics parameter file (YAML).")
    text = decoded(path.read_bytes())
    try:
        content = json.loads(text) if path.suffix.lower() == ".json" else YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark is not None else ""
        raise UserError(f"{path}{place}: this is no valid YAML. Correct the line and try again.") from None
    if content is None:
        content = {}
    try:
        return make_settings(content)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def make_settings(content: object) -> FeatureSettings:
    """Check and complete the content of a parameter file.

    Args:
        content: Mapping with any of `imageType`, `featureClass`, `setting`, `voxelSetting`, `ibsi`.

    Raises:
        UserError: As `read_settings`.
    """
    content = _mapping("the parameter file", content)
    _only(content, ("imageType", "featureClass", "setting", "voxelSetting", "ibsi"), "the parameter file")
    voxel = _mapping("voxelSetting", content.get("voxelSetting"))
    _check_setting("voxelSetting", voxel, _VOXEL_CHECKS)
    given = _mapping("setting", content.get("setting"))
    _check_setting("setting", given, _CHECKS)
    # additionalInfo only asks PyRadiomics for diagnostics: it changes no feature, so it must not change the digest.
    additional_info = given.pop("additionalInfo", None)
    setting: Setting = {**DEFAULTS, **cast("Setting", given)}
    image_types: dict[str, Setting] = {}
    for name, own in _mapping("imageType", content.get("imageType")).items():
        if name not in IMAGE_TYPES:
            raise UserError(f"imageType.{name} is unknown. Allowed: {', '.join(IMAGE_TYPES)}.")
        image_types[name] = cast("Setting", _mapping(f"imageType.{name}", own))
        _check_setting(f"imageType.{name}", image_types[name], _CHECKS)
        if name == "LoG" and not {**setting, **image_types[name]}.get("sigma"):
            raise UserError("imageType.LoG needs sigma, a list of widths in mm, such as LoG: {sigma: [1.0, 3.0]}.")
    feature_classes: dict[str, list[str] | None] = {}
    for name, features in _mapping("featureClass", content.get("featureClass")).items():
        feature_classes[name] = _check_features(name, features)
    if not feature_classes:
        # PyRadiomics enables shape2D too, then leaves it out with a warning unless the extraction is 2D.
        feature_classes = {name: None for name in FEATURE_CLASSES if name != "shape2D" or setting["force2D"]}
    ibsi = _mapping("ibsi", content.get("ibsi"))
    _check_ibsi(ibsi)
    return FeatureSettings(
        image_types or {"Original": {}},
        feature_classes,
        setting,
        ibsi,
        given.get("label"),
        _without_effect(additional_info, given, image_types)
        + (("voxelSetting acts on maps alone (unibase maps).",) if voxel else ()),
        voxel,
    )


def _without_effect(
    additional_info: bool | None, given: Mapping[str, object], image_types: Mapping[str, object]
) -> tuple[str, ...]:
    """Return what a parameter file asks for that has no effect here, a sentence each."""
    told = []
    if additional_info:
        told.append("setting.additionalInfo: diagnostics_ stand in a table of their own, which the option diagnostics asks for.")
    for key in sorted(set(given) & _OF_LBP):
        of = f"LBP{key[3:5]}"
        if of not in image_types:
            told.append(f"setting.{key} acts on {of} images alone, which the file does not ask for.")
    return tuple(told)


def for_a_plane(settings: FeatureSettings) -> FeatureSettings:
    """Return settings for an image of two dimensions: it has no thickness, so shape2D stands for shape.

    Textures are taken in the plane. In `ibsi` mode the plane is described by slice, without the families that need a volume.

    Raises:
        Unusable: `no-feature-left` when nothing but features of a volume is asked for.
    """
    classes = {name: features for name, features in settings.feature_classes.items() if name != "shape"}
    if "shape" in settings.feature_classes and not settings.feature_classes["shape"]:
        classes.setdefault("shape2D", None)
    if not classes:
        message = "The image is a plane, and only features of a volume are asked for."
        raise Unusable(reasons.NO_FEATURE_LEFT, message, "Ask for shape2D or for other classes.")
    spacing = settings.setting.get("resampledPixelSpacing")
    if spacing and len(spacing) == 2:
        spacing = [*spacing, 0]
    setting: Setting = {**settings.setting, "force2D": True, "force2Ddimension": 0, "resampledPixelSpacing": spacing}
    families = settings.ibsi.get("families") or FAMILIES
    ibsi = {**settings.ibsi, "by_slice": True, "families": [name for name in families if name not in _OF_A_VOLUME]}
    return replace(settings, feature_classes=classes, setting=setting, ibsi=ibsi)


def _check_ibsi(content: Mapping[str, object]) -> None:
    from unibase.imaging.engine.options import IbsiOptions

    try:
        IbsiOptions.of(content)
    except (ValueError, TypeError) as error:
        raise UserError(f"ibsi: {error}. Correct the key and try again.") from None


def _check_features(name: str, features: object) -> list[str] | None:
    if name not in FEATURE_CLASSES:
        raise UserError(f"featureClass.{name} is unknown. Allowed: {', '.join(FEATURE_CLASSES)}.")
    if not features:
        return None
    if not isinstance(features, list) or not all(isinstance(feature, str) for feature in features):
        raise UserError(f"featureClass.{name} must be a list of feature names, or empty for all of them.")
    from unibase.imaging.radiomics.feature_words import feature_names

    allowed = feature_names(name)
    unknown = sorted(set(features) - set(allowed))
    if unknown:
        raise UserError(f"featureClass.{name}: unknown {', '.join(unknown)}. Allowed: {', '.join(allowed)}.")
    return list(features)


def _mapping(place: str, value: object) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise UserError(f"{place} must be a mapping of keys to values.")
    return {str(key): item for key, item in value.items()}


def _only(content: Mapping[str, object], known: tuple[str, ...], place: str) -> None:
    unknown = sorted(set(content) - set(known))
    if unknown:
        raise UserError(f"{place}: unknown key {', '.join(unknown)}. Allowed: {', '.join(known)}.")


def _check_setting(place: str, content: Mapping[str, object], checks: Mapping[str, _Check]) -> None:
    for key, value in content.items():
        if key not in checks:
            raise UserError(f"{place}.{key} is unknown. Allowed: {', '.join(sorted(checks))}.")
        check, allowed = checks[key]
        if value is None:
            if key in _NEEDS_VALUE:
                raise UserError(f"{place}.{key} is empty. Give it a value, {allowed}, or remove it to take the default.")
            continue
        if not check(value):
            raise UserError(f"{place}.{key} must be {allowed}.")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _int(low: int | None = None, high: int | None = None) -> _Check:
    def check(value: Any) -> bool:
        return _is_int(value) and (low is None or value >= low) and (high is None or value <= high)

    span = "" if low is None else f" of at least {low}" if high is None else f" from {low} to {high}"
    return check, f"a whole number{span}"


def _above_zero() -> _Check:
    return lambda value: _is_number(value) and value > 0, "a number above 0"


def _one_of(*allowed: str) -> _Check:
    return lambda value: isinstance(value, str) and value in allowed, f"one of {', '.join(allowed)}"


def _list_of(check: Callable[[Any], bool], text: str) -> _Check:
    return lambda value: isinstance(value, list) and all(check(item) for item in value), f"a list of {text}"


def _is_wavelet(value: object) -> bool:
    import pywt

    return isinstance(value, str) and value in pywt.wavelist()


_NEEDS_VALUE = frozenset(
    {
        "binWidth",
        "distances",
        "gldm_a",
        "label",
        "level",
        "minimumROIDimensions",
        "normalizeScale",
        "padDistance",
        "resegmentMode",
        "start_level",
        "voxelArrayShift",
        "wavelet",
    }
)
"""Keys that PyRadiomics cannot compute without; all but `wavelet` pass its check when empty and fail later."""

_OF_LBP = frozenset(
    {"lbp2DRadius", "lbp2DSamples", "lbp2DMethod", "lbp3DLevels", "lbp3DIcosphereRadius", "lbp3DIcosphereSubdivision"}
)
_OF_A_VOLUME = frozenset({"morphology", "local_intensity"})

_BOOL: _Check = (lambda value: isinstance(value, bool), "true or false")
_CHECKS: dict[str, _Check] = {
    "minimumROIDimensions": _int(1, 3),
    "minimumROISize": _int(1),
    "geometryTolerance": _above_zero(),
    "correctMask": _BOOL,
    "additionalInfo": _BOOL,
    "label": _int(1),
    "label_channel": _int(0),
    "binWidth": _above_zero(),
    "binCount": _int(1),
    "normalize": _BOOL,
    "normalizeScale": _above_zero(),
    "removeOutliers": _above_zero(),
    "resampledPixelSpacing": (
        lambda value: isinstance(value, list) and len(value) in (2, 3) and all(_is_number(item) and item >= 0 for item in value),
        "three spacings (x, y, z in mm; 0 keeps one), or two for images of two dimensions",
    ),
    "interpolator": (
        lambda value: (isinstance(value, str) and value in _INTERPOLATORS) or (_is_int(value) and 1 <= value <= 10),
        f"one of {', '.join(_INTERPOLATORS)}, or their number from 1 to 10",
    ),
    "padDistance": _int(0),
    "distances": _list_of(lambda item: _is_int(item) and item > 0, "whole numbers above 0"),
    "force2D": _BOOL,
    "force2Ddimension": _int(0, 2),
    "resegmentRange": (
        lambda value: isinstance(value, list) and len(value) in (1, 2) and all(_is_number(item) for item in value),
        "a list of one or two numbers",
    ),
    "resegmentMode": _one_of("absolute", "relative", "sigma"),
    "resegmentShape": _BOOL,
    "preCrop": _BOOL,
    "sigma": _list_of(lambda item: _is_number(item) and item > 0, "numbers above 0 (mm)"),
    "start_level": _int(0),
    "level": _int(1),
    "wavelet": (_is_wavelet, "the name of a PyWavelets wavelet, such as coif1"),
    "gradientUseSpacing": _BOOL,
    "lbp2DRadius": _above_zero(),
    "lbp2DSamples": _int(1),
    "lbp2DMethod": _one_of("default", "ror", "uniform", "var"),
    "lbp3DLevels": _int(1),
    "lbp3DIcosphereRadius": _above_zero(),
    "lbp3DIcosphereSubdivision": _int(0),
    "voxelArrayShift": _int(),
    "symmetricalGLCM": _BOOL,
    "weightingNorm": _one_of("euclidean", "manhattan", "infinity", "no_weighting"),
    "gldm_a": _int(0),
}
_VOXEL_CHECKS: dict[str, _Check] = {
    "kernelRadius": _int(1),
    "maskedKernel": _BOOL,
    "initValue": (_is_number, "a number"),
    "voxelBatch": _int(1),
}
