"""The names of the assays that a study may have; apart, because the modules that read them take seconds to import."""

from __future__ import annotations

from typing import Literal

AssayName = Literal["rna", "mutations", "methylation", "copy_number", "proteomics"]
