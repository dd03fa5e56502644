"""Commands for clinical records outside a study: `unibase records ...`."""

from __future__ import annotations

from pathlib import Path

from unibase.flows.cli.app import app
from unibase.flows.cli.command_answers import CommandLine
from unibase.groundwork.problems import UserError

records_app = CommandLine(
    name="records", help="Clinical records: what becomes of each field, whether a dataset is valid, the way back to OSIRIS-RWD."
)
app.command(records_app)


@app.command(name="map")
def map_tables(source: Path, out: Path, *, dictionary: Path | None = None) -> object:
    """Draft the mapping of tables that nobody has declared yet, and say what is sure of it and what you must decide.

    Example: `unibase map registry/ mapping.yaml`

    Args:
        source: Folder or file: CSV, Parquet, Excel, OpenDocument, SAS or SPSS.
        out: The mapping file; one that is there already is not written over.
        dictionary: The data dictionary of a REDCap project whose export the tables are.
    """
    import tempfile

    from unibase.clinical.formats.mapping_draft import draft_mapping
    from unibase.clinical.formats.redcap_dictionary import draft_of_dictionary, read_dictionary, refuse_labelled
    from unibase.clinical.sources.workbooks import all_tables
    from unibase.groundwork.files import atomic_file

    if out.exists():
        raise UserError(f"{out} is there already. Name another file, or take it away.")
    if not source.exists():
        raise UserError(f"There is nothing at {source}. Name a folder or a file of tables.")
    with tempfile.TemporaryDirectory() as scratch:
        tables = all_tables(source, Path(scratch))
        if not tables:
            raise UserError(
                f"{source} holds no table: CSV, Parquet, Excel, OpenDocument, SAS or SPSS. Name another folder or file."
            )
        if dictionary is None:
            draft = draft_mapping(tables, out.stem)
        else:
            draft = draft_of_dictionary(fields := read_dictionary(dictionary), sorted(tables), out.stem)
            refuse_labelled(fields, tables)
    with atomic_file(out) as temporary:
        Path(temporary).write_text(draft.mapping, encoding="utf-8")
    for title, lines in (("Sure", draft.sure), ("For you to decide", draft.asked)):
        print(f"{title}: {len(lines)}")
        for line in lines:
            print(f"  {line}")
    return {"sure": draft.sure, "asked": draft.asked}


@records_app.command(name="fields")
def records_fields(mapping: str, out: Path) -> object:
    """Write what becomes of every field that a mapping knows, as CSV: table, field, item, use.

    Example: `unibase records fields osiris-rwd fields.csv`

    Args:
        mapping: `osiris`, `osiris-rwd`, or a mapping file.
        out: The CSV.
    """
    from unibase.clinical.formats.mapping_rules import field_table, packaged_mapping, packaged_names, read_mapping
    from unibase.groundwork.plain_csv import write_plain_csv

    packaged = mapping in packaged_names()
    table = field_table(packaged_mapping(mapping) if packaged else read_mapping(Path(mapping)))
    write_plain_csv(table, out)
    print(f"{out}: {table.height} fields of {table['table'].n_unique()} tables")
    return table


@records_app.command(name="validate")
def records_validate(dataset: Path) -> None:
    """Check a MEDS dataset: the schemas of MEDS, the order of events, whole subjects, declared codes, bounds of dates.

    Example: `unibase records validate timeline/`

    Args:
        dataset: Folder with data/ and metadata/.
    """
    from unibase.clinical.timelines.meds import MEDS_VERSION, validate_dataset

    wrong = validate_dataset(dataset)
    if wrong:
        raise UserError(
            "\n".join([*wrong, f"{len(wrong)} faults: {dataset} is no valid MEDS {MEDS_VERSION} dataset. Make it again."])
        )
    print(f"{dataset}: valid MEDS {MEDS_VERSION}")


@records_app.command(name="osiris-rwd")
def records_osiris_rwd(dataset: Path, out: Path) -> None:
    """Write the OSIRIS-RWD files again that a dataset was read from: what the mapping reads comes out as it went in.

    Example: `unibase records osiris-rwd timeline/ rwd/`

    Args:
        dataset: MEDS dataset made by `unibase timeline --from osiris-rwd`; without a key dates are as in the source.
        out: Folder of the CSV files, not there yet or empty; one for each table that has rows.
    """
    from unibase.clinical.formats.osiris_rwd import write_osiris_rwd
    from unibase.clinical.timelines.meds import read_dataset

    events = read_dataset(dataset)
    if not events["source"].str.contains("/osiris-rwd/", literal=True).any():
        raise UserError(f"{dataset} was not read from OSIRIS-RWD. Make it with: unibase timeline SRC {dataset} --from osiris-rwd")
    files = sorted(path.name for path in write_osiris_rwd(events, out).glob("*.csv"))
    print(f"{out}: {len(files)} tables, {', '.join(files)}")
