"""The static catalogue of a site: one page over all its releases, with search, facets and comparison; no server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from unibase.groundwork.files import write_bytes, write_text
from unibase.groundwork.outputs import Ours, replaced_folder
from unibase.releases.catalogue.catalogue_records import write_records
from unibase.releases.catalogue.caveats import centres_shown
from unibase.releases.catalogue.described_release import Release, open_release
from unibase.releases.catalogue.description import AXES, Agent, Description, Text
from unibase.releases.catalogue.marked_versions import WORDS, read_marks
from unibase.releases.content import manifest
from unibase.releases.disclosure import safe_cube
from unibase.releases.disclosure.small_counts import MASK_TEXT
from unibase.releases.report.page import TEMPLATES
from unibase.releases.report.sections.cube_questions import Field, asked_of_all, fields_of, in_page


def write_site(releases_folder: Path | str, descriptions: Mapping[str, Description], target: Path | str) -> Path:
    """Write the catalogue of all described releases to `target`: `index.html`, and records and safe cube of each release.

    Args:
        releases_folder: Folder of `<study>/<version>/`.
        descriptions: Study name to description; a study without one is not in the catalogue.
        target: Folder to write, replaced as a whole.
    """
    releases = [open_release(folder) for folder in published(releases_folder) if folder.parent.name in descriptions]
    releases.sort(key=lambda r: (r.about["study"], version_key(str(r.about["version"]))))
    ours = Ours(("index.html", *descriptions), "index.html", "<title>Catalogue</title>")
    with replaced_folder(target, ours) as building:
        for release in releases:
            place = building / str(release.about["study"]) / str(release.about["version"])
            write_records(release.folder, descriptions[release.about["study"]], place)
            if (cube := safe_cube.read_bytes(release.folder)) is not None:
                write_bytes(place / safe_cube.FILE, cube)
        write_text(building / "index.html", _render_site([(r, descriptions[r.about["study"]]) for r in releases]))
    return Path(target)


def published(releases_folder: Path | str) -> list[Path]:
    """Return the folders of all published releases in `releases_folder`, ordered by name and version.

    >>> published(getfixture("tmp_path"))
    []
    """
    found = [
        path.parent for path in Path(releases_folder).glob(f"*/*/{manifest.MANIFEST}") if not path.parent.name.startswith(".")
    ]
    return sorted(found, key=lambda p: (p.parent.name, version_key(p.name)))


def with_cubes(folder: Path | str) -> list[Path]:
    """Return, of each study, the newest version in a folder of releases, or of a catalogue, ordered by name.

    Args:
        folder: Holds `<study>/<version>/` with a manifest, or a safe cube.
    """
    cubes = [path.parent for path in Path(folder).glob(f"*/*/{safe_cube.FILE}") if not path.parent.name.startswith(".")]
    found = sorted({*published(folder), *cubes}, key=lambda p: (p.parent.name, version_key(p.name)))
    return list({path.parent.name: path for path in found}.values())


def version_key(version: str) -> tuple[tuple[int, int, str], ...]:
    """Return a key under which a `version` 1.10.0 comes after 1.9.0.

    >>> sorted(["1.10.0", "1.9.0"], key=version_key)
    ['1.9.0', '1.10.0']
    """
    parts = version.replace("-", ".").replace("+", ".").split(".")
    return tuple((0, int(p), "") if p.isdigit() else (1, 0, p) for p in parts)


@dataclass(frozen=True)
class _Card:
    """What the page shows of one release; texts of two languages have `fr` and `en`, or are pairs."""

    id: str
    study: str
    version: str
    title: Text
    description: Text
    request: Text
    rights: Text
    contact: Agent
    publisher: str
    issued: str
    keywords: Sequence[str]
    subjects: str
    modalities: list[tuple[str, int]]
    variables: int
    centres: list[str]
    axes: list[str]
    site: str
    records: str
    marks: list[tuple[str, str]]


def _card(release: Release, description: Description) -> _Card:
    """Return what the page shows of one release; counts and centres that its own page hides are hidden."""
    about = release.about
    # A centre that the page hides beside a small one must not be named: then the other would be known to be the small one.
    centres = sorted(centres_shown(release))
    return _Card(
        id=f"{about['study']}-{about['version']}".replace(".", "-"),
        study=about["study"],
        version=about["version"],
        title=description.title,
        description=description.description,
        request=description.request_access,
        rights=description.rights,
        contact=description.contact,
        publisher=description.publisher.name,
        issued=description.issued.isoformat(),
        keywords=description.keywords,
        subjects=MASK_TEXT if release.individuals is None else str(release.individuals),
        modalities=[(name, shape["variables"]) for name, shape in dict(about["modalities"]).items()],
        variables=release.dictionary.height,
        centres=centres,
        axes=list(description.axes),
        site=description.cancer_site,
        records=f"{about['study']}/{about['version']}",
        marks=[WORDS[mark] for mark in read_marks(release.folder.parent).get(str(about["version"]), ())],
    )


@dataclass(frozen=True)
class _Cube:
    """The safe cube of the newest version of a study, as JSON."""

    name: str
    content: str


def _questions(releases: Sequence[Release]) -> tuple[list[Field], list[_Cube]]:
    """Return what may be asked on the page, and the cubes that answer: of each study, that of its newest version."""
    newest = {str(release.about["study"]): release for release in releases}
    found = [(release, cube) for release in newest.values() if (cube := safe_cube.read(release.folder)) is not None]
    cubes = [_Cube(f"{one.about['study']} {one.about['version']}", in_page(cube)) for one, cube in found]
    return fields_of(asked_of_all([cube for _, cube in found])), cubes


def _render_site(releases: list[tuple[Release, Description]]) -> str:
    """Return the page as HTML text."""
    from jinja2 import Environment, FileSystemLoader, select_autoescape
    from markupsafe import Markup

    from unibase.releases.report.charts import both

    environment = Environment(
        loader=FileSystemLoader([Path(__file__).parent / "templates", *TEMPLATES]),
        autoescape=select_autoescape(["html", "j2"]),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["both"] = lambda fr, en: Markup(both(fr, en))
    fields, cubes = _questions([release for release, _ in releases])
    cards = [_card(release, description) for release, description in releases]
    facets = {
        "axis": [(name, *AXES[name]) for name in AXES if any(name in c.axes for c in cards)],
        "site": [(name, name, name) for name in sorted({c.site for c in cards if c.site})],
        "modality": [(name, name, name) for name in sorted({m for c in cards for m, _ in c.modalities})],
        "centre": [(name, name, name) for name in sorted({n for c in cards for n in c.centres})],
    }
    return environment.get_template("catalogue.html.j2").render(
        cards=cards, facets=facets, axes=AXES, mask=MASK_TEXT, fields=fields, cubes=cubes, plain=Markup
    )
