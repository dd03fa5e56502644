"""Project extracts: what an approval names and no more, under the project's own pseudonyms, encrypted for its recipient.

Pseudonyms are derived from the custodian's key and the project's name, so that the pseudonyms of two extracts say
nothing of one another, nor of the release. Values that are unique to a person (a radiomic feature to its last digit)
can still be matched by whoever holds two extracts: give two projects the same subjects only when that is acceptable.
"""

from __future__ import annotations

import io
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from unibase.groundwork.files import sha256_file, write_bytes, write_json
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import write_parquet
from unibase.privacy.audit import AuditLog
from unibase.privacy.keys import Key
from unibase.privacy.pseudonyms import subject_id as derive_pseudonym
from unibase.releases.content import manifest

DateRule = Literal["relative", "month", "year", "none"]

FORBIDDEN = frozenset(
    {
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "colname",
        "sample",
        "primary",
        "source_row",
        "SRCSEQ",
        "source_digest",
        "unit_token",
    }
)
"""Columns that name a row of the release, and so would join an extract to it."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Condition(_Strict):
    """One condition on a column of `subjects` or `analysis`; all conditions of a request hold together."""

    column: str
    is_in: Annotated[list[str | int | float] | None, Field(alias="in")] = None
    min: float | None = None
    max: float | None = None
    known: bool | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Condition:
        if self.is_in is None and self.min is None and self.max is None and self.known is None:
            raise ValueError("a condition needs one of: in, min, max, known")
        return self


class Request(_Strict):
    """A request as approved; the keys of `unibase extract REQUEST.yaml`.

    Attributes:
        project: Name of the project: lower case, digits, hyphens. Its pseudonyms depend on it.
        approval: Reference of the approval.
        recipients: Public age keys (`age1...`) the extract is encrypted for.
        expires: Last day of the approval.
        subjects: Conditions, all of which a subject meets.
        variables: Table (`subjects`, `analysis`, `adtte`) to columns.
        matrices: Modality of the cohort file (`rna`, `mutations`, `radiomics`) to variables.
        dates: `relative` gives days from the index; `month` and `year` the first day; `none` leaves dates out.
    """

    project: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    approval: str = Field(min_length=1)
    recipients: list[str] = Field(min_length=1)
    expires: date
    subjects: list[Condition] = []
    variables: dict[Literal["subjects", "analysis", "adtte"], list[str]]
    matrices: dict[str, list[str]] = {}
    dates: DateRule = "relative"


def read_request(path: Path | str) -> Request:
    """Read a request file.

    Raises:
        UserError: Naming each key that is missing or wrong.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no request at {path}. docs/releases.md shows one to start from.")
    try:
        return Request.model_validate(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")))
    except YAMLError as error:
        raise UserError(f"{path} is not readable YAML: {error}") from None
    except ValidationError as error:
        problems = [f"  {'.'.join(str(p) for p in e['loc']) or 'file'}: {e['msg']}" for e in error.errors()]
        raise UserError(f"{path} is not a request:\n" + "\n".join(problems)) from None


def extract(
    release: Path | str, request: Request, key: Key, target: Path | str, *, today: date, actor: str, audit: AuditLog | None = None
) -> Path:
    """Write the extract of `release` that `request` names to `<target>/<project>.tar.age` and return that file.

    Args:
        release: Folder of the release, checked against its manifest first.
        request: The approved request.
        key: The custodian's key; project pseudonyms are derived from it.
        target: Folder for the encrypted file.
        today: The day, to which the approval must still hold.
        actor: Who makes the extract, for the audit log.
        audit: Where it is logged.

    Raises:
        UserError: If the approval has expired, the release is damaged, a variable is unknown or would name a row of the
            release, fewer subjects than `min_cell` remain, or a recipient is no age key.
    """
    release, target = Path(release), Path(target)
    if request.expires < today:
        raise UserError(f"The approval {request.approval} ended on {request.expires}. Ask for a new one.")
    damaged = manifest.verify(release)
    if damaged:
        raise UserError(f"The release is not as published: {damaged[0]}. Copy it again from where it was published.")
    about = manifest.read(release)
    _check_variables(release, request)
    pseudonyms = _choose(release, request, key)
    if pseudonyms.height < int(about["min_cell"]):
        raise UserError(
            f"The request leaves fewer than {about['min_cell']} subjects, which is too few to hand out. Widen its conditions."
        )
    destination = target / f"{request.project}.tar.age"
    target.mkdir(parents=True, exist_ok=True)
    # mkdtemp gives a folder that nobody else can read, and the block leaves nothing in clear behind.
    with tempfile.TemporaryDirectory(dir=target, prefix=".tmp-") as folder:
        _fill(Path(folder), release, about, request, pseudonyms)
        content = _tar(Path(folder))
    write_bytes(destination, _encrypt(content, request.recipients), mode=0o600)
    if audit is not None:
        audit.append(
            actor,
            "extract",
            pseudonyms.height,
            {
                "project": request.project,
                "approval": request.approval,
                "expires": request.expires.isoformat(),
                "release": f"{about['study']} {about['version']}",
                "manifest": sha256_file(release / manifest.MANIFEST),
                "extract": sha256_file(destination),
            },
        )
    return destination


def _check_variables(release: Path, request: Request) -> None:
    for table, columns in request.variables.items():
        forbidden = [c for c in columns if c in FORBIDDEN or c.endswith("_sample")]
        if forbidden:
            raise UserError(
                f"variables.{table}: {', '.join(forbidden)} names rows of the release and cannot leave it. Remove it."
            )
        known = pl.scan_parquet(release / "tables" / f"{table}.parquet").collect_schema().names()
        unknown = [c for c in columns if c not in known]
        if unknown:
            raise UserError(f"variables.{table}: the release has no {', '.join(unknown)}. dictionary/dictionary.csv lists all.")


def _choose(release: Path, request: Request, key: Key) -> pl.DataFrame:
    frame = pl.read_parquet(release / "tables" / "subjects.parquet")
    analysis = pl.read_parquet(release / "tables" / "analysis.parquet")
    frame = frame.join(analysis.select("subject_id", pl.exclude(frame.columns)), on="subject_id", how="left")
    for place, condition in enumerate(request.subjects):
        name = condition.column
        if name not in frame.columns:
            raise UserError(
                f"subjects.{place}.column: neither subjects nor analysis has {name}. dictionary/dictionary.csv lists all."
            )
        if (condition.min is not None or condition.max is not None) and not frame.schema[name].is_numeric():
            raise UserError(f"subjects.{place}: {name} is no number, so min and max do not fit. Use `in`.")
        for test in _tests(condition, frame.schema[name]):
            frame = frame.filter(test)
    project = Key(key.derive(f"extract/{request.project}"))
    new = [derive_pseudonym(project, str(s)) for s in frame["subject_id"]]
    return frame.select("subject_id").with_columns(pl.Series("pseudonym", new, dtype=pl.Int64)).sort("pseudonym")


def _tests(condition: Condition, dtype: pl.DataType) -> Iterator[pl.Expr]:
    column = pl.col(condition.column)
    if condition.is_in is not None:
        yield column.cast(pl.String).is_in([str(v) for v in condition.is_in])
    if condition.min is not None:
        yield column >= condition.min
    if condition.max is not None:
        yield column <= condition.max
    if condition.known is not None:
        yield column.is_not_null() if condition.known else column.is_null()


def _fill(folder: Path, release: Path, about: dict[str, Any], request: Request, pseudonyms: pl.DataFrame) -> None:
    from unibase.releases.content.csv_files import write_csv

    index = _index(release)
    written: dict[str, list[str]] = {}
    for table, columns in request.variables.items():
        frame = pl.read_parquet(release / "tables" / f"{table}.parquet", columns=list(dict.fromkeys(["subject_id", *columns])))
        frame = _minimise(_rename(frame, pseudonyms), pseudonyms, index, request.dates)
        write_parquet(frame, folder / "tables" / f"{table}.parquet")
        write_csv(frame, folder / "csv" / f"{table}.csv")
        written[table] = columns
    for modality, variables in request.matrices.items():
        frame = _rename(_matrix(release, modality, variables), pseudonyms)
        write_parquet(frame, folder / "tables" / f"{modality}.parquet")
        write_csv(frame, folder / "csv" / f"{modality}.csv")
        written[modality] = variables
    dictionary = pl.read_parquet(release / "dictionary" / "dictionary.parquet")
    kept = dictionary.filter(
        pl.struct("table", "column").is_in([{"table": t, "column": c} for t, cs in written.items() for c in cs])
    )
    write_csv(kept.drop("rows", "missing", "completeness_by_centre"), folder / "dictionary.csv")
    write_json(
        folder / "extract.json",
        {
            "project": request.project,
            "approval": request.approval,
            "expires": request.expires.isoformat(),
            "study": about["study"],
            "version": about["version"],
            "manifest": sha256_file(release / manifest.MANIFEST),
            "subjects": pseudonyms.height,
            "variables": written,
            "dates": request.dates,
            "status": "pseudonymised, not anonymous; delete it when the approval ends",
        },
    )


def _rename(frame: pl.DataFrame, pseudonyms: pl.DataFrame) -> pl.DataFrame:
    joined = pseudonyms.join(frame, on="subject_id", how="inner", maintain_order="left")
    return joined.drop("subject_id").rename({"pseudonym": "subject_id"})


def _index(release: Path) -> pl.DataFrame:
    for table, column in (("analysis", "index_time"), ("adtte", "STARTDT"), ("subjects", "INDEXDT")):
        path = release / "tables" / f"{table}.parquet"
        schema = pl.scan_parquet(path).collect_schema()
        if column in schema and schema[column].is_temporal():
            found = pl.read_parquet(path, columns=["subject_id", column]).drop_nulls()
            found = found.select("subject_id", pl.col(column).cast(pl.Datetime("us")).alias("__index"))
            return found.unique("subject_id", keep="first", maintain_order=True)
    return pl.DataFrame(schema={"subject_id": pl.Int64, "__index": pl.Datetime("us")})


def _minimise(frame: pl.DataFrame, pseudonyms: pl.DataFrame, index: pl.DataFrame, rule: DateRule) -> pl.DataFrame:
    dates = [name for name, dtype in frame.schema.items() if dtype.is_temporal()]
    if rule == "none" or not dates:
        return frame.drop(dates)
    if rule in ("month", "year"):
        return frame.with_columns(pl.col(dates).dt.truncate("1mo" if rule == "month" else "1y"))
    frame = frame.join(_rename(index, pseudonyms), on="subject_id", how="left", maintain_order="left")
    days = [(pl.col(n).cast(pl.Datetime("us")) - pl.col("__index")).dt.total_days().alias(f"{n}_days_from_index") for n in dates]
    return frame.with_columns(days).drop("__index", *dates)


def _matrix(release: Path, modality: str, variables: list[str]) -> pl.DataFrame:
    from unibase.releases.read.open import read_variables

    return read_variables(release, modality, variables)


def _tar(folder: Path) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size, entry.mode, entry.mtime = path.stat().st_size, 0o600, 0
            with open(path, "rb") as file:
                archive.addfile(entry, file)
    return buffer.getvalue()


def _encrypt(content: bytes, recipients: list[str]) -> bytes:
    import pyrage  # type: ignore[import-untyped]

    try:
        keys = [pyrage.x25519.Recipient.from_str(text) for text in recipients]
    except pyrage.RecipientError:
        raise UserError(
            "recipients: one of them is no age public key (age1...). Ask the recipient to run `age-keygen`."
        ) from None
    return bytes(pyrage.encrypt(content, keys))
