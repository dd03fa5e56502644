"""What people say of a study that no table knows: publisher, contacts, legal basis, purpose. One YAML file per study."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, HttpUrl

from unibase.releases.content.declared_yaml import read_declared

Axis = Literal["prevention", "sequelae", "poor-prognosis", "progress-for-all"]

AXES: dict[str, tuple[str, str]] = {
    "prevention": ("Améliorer la prévention", "Improve prevention"),
    "sequelae": ("Limiter les séquelles et améliorer la qualité de vie", "Limit sequelae and improve quality of life"),
    "poor-prognosis": ("Lutter contre les cancers de mauvais pronostic", "Fight cancers of poor prognosis"),
    "progress-for-all": ("S'assurer que les progrès bénéficient à tous", "Make sure that progress benefits all"),
}
"""The four axes of the French ten-year cancer strategy 2021-2030."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(_Strict):
    """A text in both languages."""

    fr: str = Field(min_length=1)
    en: str = Field(min_length=1)


class Agent(_Strict):
    """An organisation."""

    name: str = Field(min_length=1)
    homepage: HttpUrl
    email: str = Field(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")


class Publisher(Agent):
    """The organisation that publishes the dataset, with what HealthDCAT-AP asks of it."""

    type: HttpUrl
    note: Text
    trusted_data_holder: bool


class Description(_Strict):
    """The description of a study for catalogues; IRIs are of the EU's authority tables and of DPV."""

    base_url: HttpUrl
    title: Text
    description: Text
    provenance: Text
    rights: Text
    request_access: Text
    keywords: list[str] = Field(min_length=1)
    publisher: Publisher
    hdab: Agent
    contact: Agent
    issued: date
    health_category: list[HttpUrl] = Field(min_length=1)
    health_theme: list[HttpUrl] = Field(min_length=1)
    purpose: list[HttpUrl] = Field(min_length=1)
    legal_basis: list[HttpUrl] = Field(min_length=1)
    personal_data: list[HttpUrl] = []
    applicable_legislation: list[HttpUrl] = [HttpUrl("http://data.europa.eu/eli/reg/2025/327/oj")]
    access_rights: HttpUrl = HttpUrl("http://publications.europa.eu/resource/authority/access-right/NON_PUBLIC")
    spatial: HttpUrl = HttpUrl("http://publications.europa.eu/resource/authority/country/FRA")
    theme: HttpUrl = HttpUrl("http://publications.europa.eu/resource/authority/data-theme/HEAL")
    dataset_type: HttpUrl = HttpUrl("http://publications.europa.eu/resource/authority/dataset-type/PERSONAL_DATA")
    coding_system: list[HttpUrl] = []
    licence: HttpUrl | None = None
    population_coverage: Text | None = None
    axes: list[Axis] = []
    cancer_site: str = ""
    doi: str = Field(default="", pattern=r"^(10\.\d{4,9}/\S+)?$")


def read_description(path: Path | str) -> Description:
    """Read the YAML description of a study at `path`.

    Raises:
        UserError: Naming each key that is missing or wrong, and what is allowed.
    """
    return read_declared(path, Description, "description")
