"""Any tables with a mapping of the centre's own: CSV, Parquet, workbooks, files of SAS and SPSS."""

from __future__ import annotations

from collections.abc import Iterable

from unibase.clinical.formats.declaration import Asked, ClinicalFormat, Objecting
from unibase.clinical.formats.mapped_batches import open_declared
from unibase.clinical.formats.mapped_objections import objecting_by_mapping
from unibase.clinical.formats.mapping_rules import TableMapping, read_mapping
from unibase.clinical.sources.events import Opener
from unibase.clinical.sources.workbooks import table_files
from unibase.groundwork.problems import UserError


def _mapping(asked: Asked) -> TableMapping:
    if asked.mapping is None:
        raise UserError("A CSV source needs a mapping file: clinical: {format: csv, path: ..., mapping: mapping.yaml}.")
    return read_mapping(asked.mapping)


def _open(asked: Asked) -> Opener:
    return open_declared(asked, _mapping(asked))


def _objections(asked: Asked) -> Iterable[Objecting]:
    return objecting_by_mapping(asked, _mapping(asked))


FORMAT = ClinicalFormat(title="Any table with a mapping", open=_open, files=table_files, objections=_objections)
