"""What stands around a study and would stop its build: the key, the workspace, folders that lie in one another."""

from __future__ import annotations

import os
from collections.abc import Iterator

from unibase.flows.study.named_files import source_paths
from unibase.flows.study.study_file import Study
from unibase.groundwork.problems import MachineFault, UserError


def check_surroundings(study: Study) -> None:
    """Look for what a build would refuse beside the study file itself.

    Args:
        study: The study.

    Raises:
        UserError: If the key cannot be read or others can read it, a source and the workspace lie in one another, or the audit
            log and its second place differ.
        MachineFault: If this user cannot write the workspace, or the second place of the audit log cannot be reached.
    """
    study.read_key()
    nested = [*_nested_sources(study), *_of_releases(study)]
    if nested:
        raise UserError("\n".join(nested))
    root = study.work.root
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    if not there.is_dir():
        raise UserError(f"{there} is a file, and the workspace should be a folder there. Name another workspace.")
    if os.statvfs(there).f_blocks == 0:
        raise UserError(f"{there} is no place for files: the system shows itself there. Name another workspace.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise MachineFault(f"This user cannot write to {there}. Give it the right to, or name another workspace.")
    study.audit.reach_copy()


def _of_releases(study: Study) -> Iterator[str]:
    """Yield what is wrong with the folder of the releases: what others may read may not lie where the vault is.

    `study`: the study.
    """
    work, releases = study.work.root, study.path(study.releases)
    if releases == work or work in releases.parents:
        yield f"releases lie inside the workspace, where the vault is: {releases}. Name a folder beside it."
    there = next(folder for folder in (releases, *releases.parents) if folder.exists())
    if not there.is_dir():
        yield f"releases: {there} is a file, and the releases should be a folder there. Name another."


def _nested_sources(study: Study) -> Iterator[str]:
    """Yield a sentence for each source and workspace of which one lies in the other: a build would read what it wrote.

    `study`: the study.
    """
    for key, path in source_paths(study):
        for name, folder in (("workspace", study.work.root), ("releases", study.path(study.releases))):
            if path.is_dir() and (folder == path or path in folder.parents):
                yield f"{name} lies inside {key}: a build would read what it wrote. Name another folder for it."
            elif key.startswith("centres.") and folder in path.parents:
                yield f"{key} lies inside the {name}. Keep sources elsewhere."
