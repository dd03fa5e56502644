"""What every matrix of a study is, and by what evidence."""

from __future__ import annotations

from collections.abc import Iterator

from unibase.flows.stages.omics import assay_files
from unibase.flows.study.study_file import Study
from unibase.omics.commands import recognise_file


def recognised(study: Study) -> Iterator[str]:
    """Yield lines for each matrix of each assay of each centre; files are named by their place, for a name may be a patient's.

    Args:
        study: The study.
    """
    for name, centre in study.centres.items():
        for assay, source in sorted(centre.omics.items()):
            paths = study.paths(source.matrix)
            for place, path in enumerate(paths, start=1):
                where = path.name if len(paths) == 1 else f"matrix {place} of {len(paths)}, by name"
                found = recognise_file(path, assay, assay_files(study, source))
                yield f"{name}/{assay}/{where}: {f'refused. {found.refused}' if found.refused else found.lines[0]}"
                for line in found.lines[1:]:
                    yield f"  {line}"
