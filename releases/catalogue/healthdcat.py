"""The HealthDCAT-AP record of a release: a catalogue with one dataset, its distributions and variables.

Every node has an IRI, so that equal releases give equal Turtle.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rdflib import Graph, Literal, Namespace, URIRef
from rdflib.namespace import DCAT, DCTERMS, FOAF, RDF, RDFS, SKOS, XSD

from unibase.releases.catalogue.described_release import (
    EU,
    FORMATS,
    Offered,
    Release,
    distributions,
    identifier,
    rounded_size,
)
from unibase.releases.catalogue.description import Agent, Description, Publisher, Text

MAX_COLUMNS = 200
"""Variables of a table named in HealthDCAT-AP; the dictionary of the release has all."""
RDF_TYPES = {"integer": "integer", "float": "double", "boolean": "boolean", "date": "date", "datetime": "dateTime"}
WORDS = "dictionary/dictionary.csv"

ADMS = Namespace("http://www.w3.org/ns/adms#")
CSVW = Namespace("http://www.w3.org/ns/csvw#")
CV = Namespace("http://data.europa.eu/m8g/")
DCATAP = Namespace("http://data.europa.eu/r5r/")
DPV = Namespace("https://w3id.org/dpv#")
HEALTH = Namespace("http://healthdataportal.eu/ns/health#")
PROV = Namespace("http://www.w3.org/ns/prov#")
SPDX = Namespace("http://spdx.org/rdf/terms#")
VCARD = Namespace("http://www.w3.org/2006/vcard/ns#")
PREFIXES = {
    "adms": ADMS,
    "vcard": VCARD,
    "dcatap": DCATAP,
    "healthdcatap": HEALTH,
    "dpv": DPV,
    "csvw": CSVW,
    "cv": CV,
    "spdx": SPDX,
    "prov": PROV,
    "dct": DCTERMS,
}


def health_dcat(release: Release, description: Description) -> Graph:
    """Return the record as a graph.

    Args:
        release: The release.
        description: What people say of the study.
    """
    record = _Record(release, description)
    publisher = record.publisher()
    record.dataset_itself(publisher)
    record.health()
    for offered in distributions(release):
        record.add(record.dataset, DCAT.distribution, record.distribution(offered))
    size = rounded_size(int(release.files[WORDS]["bytes"]))
    words = Offered(WORDS, "Structure of the data: the dictionary, without a patient's value", "text/csv", size)
    record.add(record.dataset, ADMS.sample, record.distribution(words))
    record.versions()
    record.variables()
    record.catalogue(publisher)
    return record.graph


class _Record:
    """A graph in the making: what it is of, and small ways to say a thing."""

    def __init__(self, release: Release, description: Description) -> None:
        self.release, self.description = release, description
        self.iri = identifier(release, description)
        self.dataset = URIRef(self.iri)
        self.graph = Graph()
        for prefix, space in PREFIXES.items():
            self.graph.bind(prefix, space, override=True, replace=True)
        law = URIRef("http://data.europa.eu/eli/ontology#LegalResource")
        self.legislation = [self.typed(v, law) for v in description.applicable_legislation]

    def node(self, name: str, *types: URIRef) -> URIRef:
        subject = URIRef(f"{self.iri}#{name}")
        self.add(subject, RDF.type, *types)
        return subject

    def add(self, subject: URIRef, predicate: URIRef, *values: Any) -> None:
        for value in values:
            self.graph.add((subject, predicate, value))

    def typed(self, value: object, kind: URIRef) -> URIRef:
        # DCAT-AP checks classes, and a record cannot lean on the authority tables being at hand.
        self.add(URIRef(str(value)), RDF.type, kind)
        return URIRef(str(value))

    def concept(self, value: object, label: str) -> URIRef:
        subject = self.typed(value, SKOS.Concept)
        self.add(subject, SKOS.prefLabel, Literal(label, lang="en"))
        return subject

    def statement(self, name: str, kind: URIRef, text: Text) -> URIRef:
        subject = self.node(name, kind)
        self.add(subject, RDFS.label, *_both(text))
        return subject

    def agent(self, name: str, who: Agent) -> URIRef:
        subject = self.node(name, FOAF.Agent)
        self.add(subject, FOAF.name, Literal(who.name))
        self.add(subject, FOAF.homepage, URIRef(str(who.homepage)))
        self.add(subject, FOAF.mbox, URIRef(f"mailto:{who.email}"))
        point = self.node(f"{name}-contact", CV.ContactPoint)
        self.add(point, CV.email, Literal(who.email))
        self.add(point, CV.contactPage, URIRef(str(who.homepage)))
        self.add(subject, CV.contactPoint, point)
        return subject

    def publisher(self) -> URIRef:
        who: Publisher = self.description.publisher
        subject = self.agent("publisher", who)
        self.add(subject, HEALTH.publisherType, self.concept(who.type, "Publisher type"))
        self.add(subject, HEALTH.publisherNote, *_both(who.note))
        self.add(subject, HEALTH.trustedDataHolder, Literal(who.trusted_data_holder, datatype=XSD.boolean))
        return subject

    def contact(self) -> URIRef:
        who = self.description.contact
        subject = self.node("contact", VCARD.Kind)
        self.add(subject, VCARD.fn, Literal(who.name))
        self.add(subject, VCARD.hasEmail, URIRef(f"mailto:{who.email}"))
        self.add(subject, VCARD.hasURL, URIRef(str(who.homepage)))
        return subject

    def dataset_itself(self, publisher: URIRef) -> None:
        said, dataset = self.description, self.dataset
        self.add(dataset, RDF.type, DCAT.Dataset)
        self.add(dataset, DCTERMS.title, *_both(said.title))
        self.add(dataset, DCTERMS.description, *_both(said.description))
        self.add(dataset, DCTERMS.identifier, Literal(self.iri, datatype=XSD.anyURI))
        self.add(dataset, DCTERMS.issued, Literal(said.issued))
        self.add(dataset, DCTERMS.accessRights, self.typed(said.access_rights, DCTERMS.RightsStatement))
        self.add(dataset, DCATAP.applicableLegislation, *self.legislation)
        self.add(dataset, DCTERMS.publisher, publisher)
        self.add(dataset, DCAT.contactPoint, self.contact())
        self.add(dataset, DCTERMS.spatial, self.typed(said.spatial, DCTERMS.Location))
        self.add(dataset, DCAT.theme, self.concept(said.theme, "Health"))
        self.add(dataset, DCTERMS.type, self.concept(said.dataset_type, "Dataset type"))
        self.add(dataset, DCAT.keyword, *(Literal(word) for word in said.keywords))
        self.add(dataset, DCTERMS.language, self.typed(f"{EU}/language/ENG", DCTERMS.LinguisticSystem))
        self.add(dataset, DCTERMS.provenance, self.statement("provenance", DCTERMS.ProvenanceStatement, said.provenance))
        self.statement("rights", DCTERMS.RightsStatement, said.rights)

    def health(self) -> None:
        """Add what HealthDCAT-AP asks beyond DCAT-AP; counts of persons and records are those that may be shown."""
        said, dataset = self.description, self.dataset
        self.add(dataset, HEALTH.hdab, self.agent("hdab", said.hdab))
        self.add(dataset, DPV.hasPurpose, *_links(said.purpose))
        self.add(dataset, DPV.hasLegalBasis, *_links(said.legal_basis))
        self.add(dataset, DPV.hasPersonalData, *_links(said.personal_data))
        self.add(dataset, HEALTH.healthCategory, *_links(said.health_category))
        self.add(dataset, HEALTH.healthTheme, *_links(said.health_theme))
        self.add(dataset, HEALTH.hasCodingSystem, *_links(said.coding_system))
        if said.population_coverage:
            self.add(dataset, HEALTH.populationCoverage, *_both(said.population_coverage))
        for predicate, count in (
            (HEALTH.numberOfUniqueIndividuals, self.release.individuals),
            (HEALTH.numberOfRecords, self.release.records),
        ):
            if count is not None:
                self.add(dataset, predicate, Literal(count, datatype=XSD.nonNegativeInteger))

    def versions(self) -> None:
        """Add the version, and the one before it."""
        self.add(self.dataset, URIRef(f"{DCAT}version"), Literal(self.release.about["version"]))
        before = self.release.about.get("previous")
        if before:
            self.add(self.dataset, URIRef(f"{DCAT}previousVersion"), URIRef(f"{self.iri.rsplit('/', 1)[0]}/{before}"))

    def distribution(self, offered: Offered) -> URIRef:
        subject = URIRef(f"{self.iri}/{offered.name}")
        self.add(subject, RDF.type, DCAT.Distribution)
        self.add(subject, DCTERMS.title, Literal(offered.title, lang="en"))
        self.add(subject, DCAT.accessURL, URIRef(self.iri))
        self.add(subject, DCATAP.applicableLegislation, *self.legislation)
        self.add(subject, DCAT.byteSize, Literal(offered.size, datatype=XSD.nonNegativeInteger))
        media = f"http://www.iana.org/assignments/media-types/{offered.media}"
        self.add(subject, DCAT.mediaType, self.typed(media, DCTERMS.MediaType))
        form = FORMATS[Path(offered.name).suffix][1]
        self.add(subject, DCTERMS.format, self.typed(form, DCTERMS.MediaTypeOrExtent))
        self.add(subject, DCTERMS.rights, URIRef(f"{self.iri}#rights"))
        if self.description.licence:
            self.add(subject, DCTERMS.license, self.typed(self.description.licence, DCTERMS.LicenseDocument))
        checksum = URIRef(f"{self.iri}/{offered.name}#checksum")
        self.add(checksum, RDF.type, SPDX.Checksum)
        self.add(checksum, SPDX.algorithm, self.typed(SPDX.checksumAlgorithm_sha256, SPDX.ChecksumAlgorithm))
        digest = self.release.files[offered.name]["sha256"]
        self.add(checksum, SPDX.checksumValue, Literal(digest, datatype=XSD.hexBinary))
        self.add(subject, SPDX.checksum, checksum)
        return subject

    def variables(self) -> None:
        """Add the tables and their columns."""
        group = self.node("variables", CSVW.TableGroup)
        self.add(group, DCTERMS.title, Literal("Tables and variables", lang="en"))
        self.add(self.dataset, HEALTH.hasStructuredData, Literal(True, datatype=XSD.boolean))
        self.add(self.dataset, HEALTH.hasVariables, group)
        for table in self.release.tables():
            subject = self.node(f"table-{table}", CSVW.Table)
            self.add(group, CSVW.table, subject)
            self.add(subject, DCTERMS.title, Literal(table))
            place = f"csv/{table}.csv" if table in self.release.in_csv() else f"tables/{table}.parquet"
            self.add(subject, CSVW.url, URIRef(f"{self.iri}/{place}"))
            for number, row in enumerate(self.release.columns(table)[:MAX_COLUMNS]):
                column = self.node(f"column-{table}-{number + 1}", CSVW.Column)
                label = row["label"] or row["column"]
                self.add(subject, CSVW.column, column)
                self.add(column, CSVW.name, Literal(row["column"]))
                self.add(column, CSVW.title, Literal(label))
                self.add(column, CSVW.titles, Literal(label))
                self.add(column, DCTERMS.description, Literal(row["derivation"] or label))
                self.add(column, CSVW.datatype, Literal(RDF_TYPES.get(row["type"], "string")))

    def catalogue(self, publisher: URIRef) -> None:
        """Add the catalogue that the dataset stands in."""
        who = self.description.publisher.name
        catalogue = URIRef(f"{str(self.description.base_url).rstrip('/')}/")
        self.add(catalogue, RDF.type, DCAT.Catalog)
        self.add(catalogue, DCTERMS.title, Literal(f"Catalogue of {who}", lang="en"))
        self.add(catalogue, DCTERMS.description, Literal(f"Health datasets of {who}", lang="en"))
        self.add(catalogue, DCTERMS.publisher, publisher)
        self.add(catalogue, DCATAP.applicableLegislation, *self.legislation)
        self.add(catalogue, DCAT.dataset, self.dataset)


def _both(text: Text) -> tuple[Literal, Literal]:
    return Literal(text.fr, lang="fr"), Literal(text.en, lang="en")


def _links(values: Iterable[object]) -> list[URIRef]:
    return [URIRef(str(value)) for value in values]
