"""What a study says of concepts, endpoints and quality, over what is packaged."""

from __future__ import annotations

from collections.abc import Iterator

from unibase.clinical.derived.endpoint_definitions import Endpoints
from unibase.clinical.derived.quality_rules import QualityRules
from unibase.clinical.words.athena import Vocabulary, has_tables
from unibase.clinical.words.concepts import Concepts
from unibase.clinical.words.value_sets import ValueSets, value_set_files
from unibase.flows.study.study_file import Study


def read_concepts(study: Study) -> Concepts:
    """Return the study's concepts over the packaged ones, with what its vocabulary has below their ancestors."""
    concepts = Concepts.read(study.path(study.concepts)) if study.concepts else Concepts.default()
    if not study.vocabulary:
        return concepts.with_value_sets(None).with_vocabulary(None)
    folder = study.path(study.vocabulary)
    # A folder of value sets alone needs no table of Athena; one with neither is told what is missing.
    athena = Vocabulary.open(folder) if has_tables(folder) or not value_set_files(folder) else None
    return concepts.with_value_sets(ValueSets.open(folder, athena)).with_vocabulary(athena)


def read_endpoints(study: Study) -> Endpoints:
    """Return the study's endpoints and responses over the packaged ones."""
    return Endpoints.read(study.path(study.definitions)) if study.definitions else Endpoints.default()


def read_quality(study: Study) -> QualityRules:
    """Return the study's thresholds of data quality over the packaged ones."""
    return QualityRules.read(study.path(study.quality)) if study.quality else QualityRules.default()


def asked_concepts(study: Study, concepts: Concepts) -> Iterator[tuple[str, str]]:
    """Yield each concept that a `study` asks of the records, and where; `concepts` are all that it knows."""
    yield study.index.concept, "index"
    for name, window in study.windows.clinical.items():
        yield window.concept, f"windows.clinical.{name}"
    definitions = read_endpoints(study)
    for code in study.endpoints:
        definition = definitions.definition(code)
        for concept in definition.concepts():
            # Made while the timeline is built, not read from records.
            if not all(one.startswith("DERIVED//") for one in concepts.by_name[concept].codes or [""]):
                yield concept, code
