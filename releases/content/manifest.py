"""The manifest of a release: every file with its SHA-256, and what the release was made from.

It holds no time of day and no path of the machine, so equal releases have equal manifests.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from unibase.groundwork.files import JsonObject, json_text, sha256_bytes, sha256_file, write_json
from unibase.groundwork.problems import UserError

MANIFEST = "manifest.json"
SIGNATURE = "manifest.json.sig"
OWN = "manifest_sha256"
OUTSIDE = frozenset({MANIFEST, SIGNATURE})
"""Files the manifest cannot list: itself and the signature over it."""


def _list_files(folder: Path | str) -> dict[str, dict[str, object]]:
    """Return `{relative name: {"sha256", "bytes"}}` of all files below `folder`, in order of name."""
    paths = [path for path in Path(folder).rglob("*") if path.is_file()]
    files = {path.relative_to(folder).as_posix(): path for path in paths}
    return {
        name: {"sha256": sha256_file(path), "bytes": path.stat().st_size}
        for name, path in sorted(files.items())
        if name not in OUTSIDE
    }


def write(folder: Path | str, about: JsonObject) -> JsonObject:
    """List all files of `folder` and write `manifest.json` with `about` beside them; return the manifest.

    `manifest_sha256` is the digest of the manifest without it, so that damage to the manifest is found as well. Who
    changes it on purpose can compute it again: against that, sign.
    """
    manifest = {**about, "files": _list_files(folder)}
    manifest[OWN] = sha256_bytes(json_text(manifest).encode())
    write_json(Path(folder) / MANIFEST, manifest)
    return manifest


def read(folder: Path | str) -> dict[str, Any]:
    """Read the manifest of a release.

    Raises:
        UserError: If `folder` holds no readable manifest.
    """
    path = Path(folder) / MANIFEST
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError(f"{folder} is no release: it holds no {MANIFEST}. Name the folder <releases>/<name>/<version>.") from None
    except ValueError:
        raise UserError(
            f"{path} is not readable JSON: the release is damaged. Copy it again from where it was published."
        ) from None


def verify(folder: Path | str) -> list[str]:
    """Compare every file in `folder` with the manifest; return one sentence per difference, none when all is as published.

    Raises:
        UserError: If there is no readable manifest.

    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "a.csv").write_text("1")
    >>> _ = write(folder, {"study": "demo"})
    >>> verify(folder)
    []
    """
    manifest = read(folder)
    problems = [] if _is_whole(manifest, Path(folder) / MANIFEST) else [f"{MANIFEST}: differs from its own digest"]
    listed = dict(manifest.get("files", {}))
    present = _list_files(folder)
    problems += [f"{name}: missing" for name in sorted(set(listed) - set(present))]
    problems += [f"{name}: not in the manifest{_made_by(name)}" for name in sorted(set(present) - set(listed))]
    problems += [
        f"{name}: content differs from the manifest"
        for name in sorted(set(listed) & set(present))
        if listed[name] != present[name]
    ]
    return problems


def _made_by(name: str) -> str:
    compiled = "__pycache__" in Path(name).parts
    return "; Python makes it where a script of the release is imported: delete the folder" if compiled else ""


def _is_whole(manifest: dict[str, object], path: Path) -> bool:
    rest = {name: value for name, value in manifest.items() if name != OWN}
    same_text = json_text(manifest).encode() == path.read_bytes()
    return same_text and manifest.get(OWN) == sha256_bytes(json_text(rest).encode())
