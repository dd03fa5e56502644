"""Columns of some row groups of a Parquet file, read one by one, and only where they tell something."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq


@dataclass(frozen=True)
class Source:
    """Some row groups of a Parquet file, from which columns are read one by one, and only when they tell something."""

    file: pq.ParquetFile
    row_groups: tuple[int, ...]

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns as Arrow reads them."""
        return self.file.schema_arrow

    @cached_property
    def columns(self) -> dict[str, str]:
        """Names of the columns by their lower case."""
        return {name.strip().lower(): name for name in self.schema.names}

    @cached_property
    def rows(self) -> int:
        """Rows in the row groups."""
        return sum(self.file.metadata.row_group(group).num_rows for group in self.row_groups)

    def type_of(self, name: str) -> pa.DataType | None:
        """Return the Arrow type of the column `name`, None when there is none, or it is empty throughout."""
        import pyarrow as pa

        if name not in self.columns:
            return None
        dtype = self.schema.field(self.columns[name]).type
        return None if pa.types.is_null(dtype) or self.is_empty(name) else dtype

    def read(self, name: str) -> pa.Array:
        """Return the column `name`, by its lower case."""
        import pyarrow as pa

        table = self.file.read_row_groups(list(self.row_groups), columns=[self.columns[name]], use_threads=False)
        chunks = table.column(0).chunks
        return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)

    def is_empty(self, name: str) -> bool:
        """Tell whether the file says that the column `name` is null throughout."""
        return all(one is not None and one.has_null_count and one.null_count == rows for one, rows in self._statistics(name))

    def constant(self, name: str) -> int | None:
        """Return the one integer that fills the column `name`, or None when the file does not say so."""
        values = set()
        for one, _ in self._statistics(name):
            if one is None or not one.has_min_max or not one.has_null_count or one.null_count or one.min != one.max:
                return None
            values.add(one.min)
        value = values.pop() if len(values) == 1 else None
        return value if isinstance(value, int) else None

    def _statistics(self, name: str) -> list[tuple[Any, int]]:
        place = self._places[self.columns[name]]
        groups = [self.file.metadata.row_group(group) for group in self.row_groups]
        return [(group.column(place).statistics, group.num_rows) for group in groups]

    @cached_property
    def _places(self) -> dict[str, int]:
        schema = self.file.metadata.schema
        return {schema.column(place).path: place for place in range(len(schema))}
