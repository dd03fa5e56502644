"""Who is who: the rules by name, the ledger through time, and the simulated truth."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unibase.groundwork.files import sha256_folder
from unibase.groundwork.problems import UserError
from unibase.groundwork.tables import PEOPLE
from unibase.privacy.french_identifiers import is_nir
from unibase.privacy.keys import Key
from unibase.privacy.ledger import persons
from unibase.privacy.ledger.people_file import in_words, read_links, read_people
from unibase.privacy.ledger.traits import family_names, given_tokens, name_tokens, parse_date, valid_ins
from unibase.privacy.ledger.written_dates import iso_dates
from unibase.simulation.invented_persons import make_person

KEY, OTHER_KEY = Key(b"k" * 32), Key(b"o" * 32)
INS_ONE, INS_TWO, INS_WRONG = "161047511200178", "161047511200277", "161047511200179"

type Row = dict[str, str | None]


def row(centre: str, identifier: str, **traits: str | None) -> Row:
    base: Row = {
        "centre": centre,
        "person_key": identifier,
        "system": "ipp",
        "identifier": identifier,
        "birth_family_name": "Garandeau",
        "given_names": "Paul",
        "birth_date": "1961-04-02",
        "sex": "M",
        "birth_place_code": "75112",
    }
    return base | traits


def people(*rows: Row) -> pl.DataFrame:
    return PEOPLE.conform(pl.DataFrame(list(rows), schema_overrides=dict.fromkeys({k for r in rows for k in r}, pl.String)))


def groups(folder: Path, revision: int | None = None) -> set[frozenset[str]]:
    frame = persons.persons(folder, revision=revision)
    return {frozenset(f"{c}{k}" for c, k, _ in part.iter_rows()) for part in frame.partition_by("person")}


def linked(tmp_path: Path, *rows: Row) -> bool:
    report = persons.update_ledger(tmp_path / "ledger", people(*rows), KEY)
    return report.persons == 1


def test_the_ins_of_these_tests_is_valid() -> None:
    assert is_nir(INS_ONE) and is_nir(INS_TWO)
    assert valid_ins(INS_ONE) and valid_ins(INS_TWO) and not valid_ins(INS_WRONG)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({}, {}),
        ({}, {"birth_family_name": "GARANDAEU"}),  # letters exchanged
        ({"birth_family_name": "Lefèvre"}, {"birth_family_name": "LEFEVRE"}),
        ({"given_names": "Jean-Pierre"}, {"given_names": "JEAN PIERRE MARIE"}),
        ({"given_names": "Jean-Pierre"}, {"given_names": "Jeanpierre"}),
        ({"given_names": "Eléonore"}, {"given_names": "Eleonre"}),
        ({}, {"birth_date": "1961-02-04"}),  # day and month exchanged
        ({}, {"birth_date": "1961-04-03"}),
        ({}, {"birth_date": "1961-04"}),
        ({}, {"birth_place_code": None}),
        ({"sex": "F", "used_family_name": "Ostrowski"}, {"sex": "F", "birth_family_name": None, "used_family_name": "OSTROWSKI"}),
        ({"sex": "F"}, {"sex": "F", "birth_family_name": "GARANDEAU EPOUSE OSTROWSKI"}),
        ({"birth_family_name": "Garandeau-Ostrowski"}, {"birth_family_name": "GARANDEAU"}),
        ({"ins": INS_ONE}, {"ins": INS_ONE, "given_names": None, "birth_date": "1961-04-20", "birth_place_code": None}),
        ({"ins": INS_ONE}, {"ins": INS_WRONG}),  # a matricule with a wrong key says nothing
    ],
)
def test_one_person_written_twice_is_one(one: Row, two: Row, tmp_path: Path) -> None:
    assert linked(tmp_path, row("A", "1", **one), row("B", "2", **two))


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"given_names": "Paul"}, {"given_names": "Luc"}),  # twins
        ({"ins": INS_ONE}, {"ins": INS_TWO}),
        ({"birth_place_code": "75112"}, {"birth_place_code": "33063", "birth_date": "1961-07-19"}),  # homonyms
        ({}, {"birth_date": "1931-04-02", "sex": "F"}),
        ({"birth_family_name": None, "birth_place_code": None}, {"birth_family_name": None, "birth_place_code": None}),
        ({"ins": INS_ONE}, {"ins": INS_ONE, "birth_date": "1990-12-30", "birth_family_name": "Ostrowski"}),
    ],
)
def test_two_persons_stay_two(one: Row, two: Row, tmp_path: Path) -> None:
    assert not linked(tmp_path, row("A", "1", **one), row("B", "2", **two))


def test_an_ins_that_the_traits_contradict_waits_for_a_person(tmp_path: Path) -> None:
    rows = people(row("A", "1", ins=INS_ONE), row("B", "2", ins=INS_ONE, birth_date="1990-12-30", birth_family_name="Ostrowski"))
    assert persons.update_ledger(tmp_path, rows, KEY).review == 1


def test_twins_in_two_centres_are_two_persons_of_two_records(tmp_path: Path) -> None:
    twins = [row(centre, f"{centre}{name}", given_names=name) for centre in "ABC" for name in ("Julien", "Lucien")]
    persons.update_ledger(tmp_path / "l", people(*twins), KEY)
    assert groups(tmp_path / "l") == {frozenset(f"{c}{c}{name}" for c in "ABC") for name in ("Julien", "Lucien")}


def test_no_chain_of_links_joins_two_ins(tmp_path: Path) -> None:
    # The record without INS fits both as well: it goes to neither, and a person decides.
    rows = people(row("A", "1", ins=INS_ONE), row("B", "2"), row("C", "3", ins=INS_TWO))
    report = persons.update_ledger(tmp_path / "l", rows, KEY)
    assert report.persons == 3 and report.refused == {"fits-two": 2} and report.review == 2
    # One that fits the first much better goes there, and the other link waits.
    rows = people(row("A", "1", ins=INS_ONE), row("B", "2"), row("C", "3", ins=INS_TWO, birth_date="1961-04-03"))
    report = persons.update_ledger(tmp_path / "m", rows, KEY)
    assert report.persons == 2 and report.refused == {"two-ins": 1} and report.review == 1


def test_rows_of_one_person_key_are_one_person(tmp_path: Path) -> None:
    second = row("A", "omop-7", person_key="1", system="omop", birth_family_name=None, given_names=None)
    persons.update_ledger(tmp_path / "l", people(row("A", "1"), second), KEY)
    lookup = persons.open_lookup(tmp_path / "l", KEY)
    assert lookup.find("A", "ipp", "1") == lookup.find("A", "omop", "omop-7") is not None
    assert lookup.find("B", "ipp", "1") is None


def test_same_as_rows_and_a_table_of_links(tmp_path: Path) -> None:
    rows = people(
        row("A", "1"),
        row("B", "2", birth_family_name="Ostrowski", birth_date="1950-01-01", given_names="Luc"),
        row("C", "3", birth_family_name="Kowalczyk", birth_date="1940-01-01", given_names="Max"),
        row("B", "A/ipp/1", person_key="2", system="same_as", birth_family_name=None, birth_date=None, given_names=None),
    )
    (tmp_path / "links.csv").write_text("left_centre;left_key;right_centre;right_key\nA;1;C;3\n")
    report = persons.update_ledger(tmp_path / "l", rows, KEY, links=read_links(tmp_path / "links.csv"))
    assert report.persons == 1 and report.links == {"decision": 2}


def test_a_link_to_nobody_is_refused_by_row(tmp_path: Path) -> None:
    (tmp_path / "links.csv").write_text("left_centre,left_key,right_centre,right_key\nA,1,C,9\n")
    with pytest.raises(UserError, match=r"row 1: no such person_key in centre C"):
        persons.update_ledger(tmp_path / "l", people(row("A", "1")), KEY, links=read_links(tmp_path / "links.csv"))


def test_a_person_keeps_the_pseudonym_when_records_arrive(tmp_path: Path) -> None:
    folder = tmp_path / "l"
    persons.update_ledger(folder, people(row("B", "2")), KEY)
    before = persons.open_lookup(folder, KEY).find("B", "ipp", "2")
    # The newcomer sorts before the record that named the person.
    report = persons.update_ledger(folder, people(row("A", "1"), row("A", "5", given_names="Zoé", birth_date="1999-01-01")), KEY)
    lookup = persons.open_lookup(folder, KEY)
    assert lookup.find("B", "ipp", "2") == lookup.find("A", "ipp", "1") == before
    assert report.new_persons == 1 and report.merges == 0


def test_the_same_people_again_leave_the_ledger_as_it_is(tmp_path: Path) -> None:
    rows = people(row("A", "1"), row("B", "2"), row("C", "3", given_names="Luc"))
    persons.update_ledger(tmp_path / "l", rows, KEY)
    before = sha256_folder(tmp_path / "l")
    report = persons.update_ledger(tmp_path / "l", rows.reverse(), KEY)
    assert report.revision == 1 and report.changed_subjects == () and sha256_folder(tmp_path / "l") == before


def test_a_merge_changes_only_the_persons_concerned_and_a_split_takes_it_back(tmp_path: Path) -> None:
    folder = tmp_path / "l"
    rows = people(row("A", "1"), row("B", "2", given_names="Luc"), row("C", "3", given_names="Max", birth_date="1990-01-01"))
    persons.update_ledger(folder, rows, KEY)
    first = persons.open_lookup(folder, KEY)
    (tmp_path / "same.csv").write_text("left_centre,left_key,right_centre,right_key,relation\nB,2,A,1,same\n")
    merged = persons.update_ledger(folder, rows, KEY, links=read_links(tmp_path / "same.csv"))
    lookup = persons.open_lookup(folder, KEY)
    assert merged.merges == 1 and merged.persons == 2
    assert lookup.find("C", "ipp", "3") == first.find("C", "ipp", "3")
    assert lookup.find("B", "ipp", "2") == lookup.find("A", "ipp", "1") == first.find("A", "ipp", "1")
    assert merged.changed_subjects == (first.by_identifier[("A", "ipp", "1")].subject_id,)
    assert merged.gone_subjects == (first.by_identifier[("B", "ipp", "2")].subject_id,)
    (tmp_path / "apart.csv").write_text("left_centre,left_key,right_centre,right_key,relation\nA,1,B,2,different\n")
    split = persons.update_ledger(folder, rows, KEY, links=read_links(tmp_path / "apart.csv"))
    assert split.splits == 1 and split.persons == 3
    assert persons.open_lookup(folder, KEY).by_identifier == first.by_identifier
    # Any past state can be opened again.
    assert persons.open_lookup(folder, KEY, revision=2).by_identifier == lookup.by_identifier
    assert [len(groups(folder, revision)) for revision in (1, 2, 3)] == [3, 2, 3]


def test_a_split_stays_when_rows_arrive_later(tmp_path: Path) -> None:
    folder = tmp_path / "l"
    rows = people(row("A", "1"), row("B", "2"))
    (tmp_path / "apart.csv").write_text("left_centre,left_key,right_centre,right_key,relation\nA,1,B,2,different\n")
    persons.update_ledger(folder, rows, KEY, links=read_links(tmp_path / "apart.csv"))
    later = persons.update_ledger(folder, people(row("A", "1"), row("B", "2"), row("C", "3")), KEY)
    # The newcomer fits both of two who were said to be different: it goes to neither.
    assert later.persons == 3 and later.review == 2
    by_record = dict(
        zip(*persons.persons(folder).select(pl.concat_str("centre", "person_key"), "person").get_columns(), strict=True)
    )
    assert by_record["A1"] != by_record["B2"]


def test_a_centre_that_merges_two_of_its_numbers_merges_the_person(tmp_path: Path) -> None:
    folder = tmp_path / "l"
    persons.update_ledger(folder, people(row("A", "1"), row("A", "5", given_names="Luc")), KEY)
    report = persons.update_ledger(folder, people(row("A", "1"), row("A", "5", person_key="1", given_names="Luc")), KEY)
    lookup = persons.open_lookup(folder, KEY)
    assert report.merges == 1 and lookup.find("A", "ipp", "5") == lookup.find("A", "ipp", "1") is not None


def test_a_new_key_changes_every_pseudonym_and_no_link(tmp_path: Path) -> None:
    rows = people(row("A", "1"), row("B", "2"), row("C", "3", given_names="Luc"))
    persons.update_ledger(tmp_path / "l", rows, KEY)
    before = sha256_folder(tmp_path / "l")
    old, new = (
        persons.open_lookup(tmp_path / "l", KEY).by_identifier,
        persons.open_lookup(tmp_path / "l", OTHER_KEY).by_identifier,
    )
    assert all(old[name].subject_id != new[name].subject_id for name in old)
    assert all((old[a] == old[b]) == (new[a] == new[b]) for a in old for b in old)
    assert sha256_folder(tmp_path / "l") == before


def test_a_ledger_changed_by_hand_is_refused(tmp_path: Path) -> None:
    persons.update_ledger(tmp_path / "l", people(row("A", "1")), KEY)
    file = tmp_path / "l" / "revision-000001" / "changes.parquet"
    file.write_bytes(file.read_bytes() + b" ")
    with pytest.raises(UserError, match="was changed after it was written"):
        persons.open_lookup(tmp_path / "l", KEY)


def test_a_removed_revision_is_noticed(tmp_path: Path) -> None:
    persons.update_ledger(tmp_path / "l", people(row("A", "1")), KEY)
    persons.update_ledger(tmp_path / "l", people(row("B", "2", given_names="Luc")), KEY)
    (tmp_path / "l" / "revision-000001").rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="is not whole"):
        persons.open_lookup(tmp_path / "l", KEY)


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(12)))
def test_the_order_of_rows_changes_no_byte(tmp_path_factory: pytest.TempPathFactory, order: list[int]) -> None:
    rows = [row(c, f"{n}", given_names=g) for c in "ABC" for n, g in enumerate(("Paul", "Pual", "Luc", "Lucas"))]
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    persons.update_ledger(one / "l", people(*rows), KEY)
    frame = pl.DataFrame([rows[number] for number in order])
    persons.update_ledger(two / "l", frame, KEY)
    assert sha256_folder(one / "l") == sha256_folder(two / "l")


def test_files_of_the_ledger_are_closed_to_others(tmp_path: Path) -> None:
    persons.update_ledger(tmp_path / "l", people(row("A", "1")), KEY)
    assert (tmp_path / "l").stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "l").rglob("*"))


def test_a_report_holds_no_identifier(tmp_path: Path) -> None:
    report = persons.update_ledger(tmp_path / "l", people(row("A", "IPP-778899"), row("B", "2")), KEY)
    assert "778899" not in repr(report)
    assert "778899" not in (tmp_path / "l" / "revision-000001" / "revision.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "message"),
    [("sex\nM\n", "no column `identifier`"), ("identifier,identifier\n1,2\n", "occurs twice")],
)
def test_a_file_that_is_no_people_file_is_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as error:
        read_people(path, "A")
    assert "people.csv" in str(error.value)


@pytest.mark.parametrize(
    ("text", "rows", "problems"),
    [
        ("identifier,name\n1,x\n", ["1"], [(0, "name", "unknown-column")]),
        ("identifier,birth_date\n1,1961-04-02\n2,1961-13-02\n", ["1", "2"], [(2, "birth_date", "uncertain-date")]),
        ("identifier,birth_date\n1,1961-04-02\n2,hier\n", ["1", "2"], [(2, "birth_date", "uncertain-date")]),
        ("identifier,sex\n1,M\n2,X7\n", ["1", "2"], [(2, "sex", "unknown-sex")]),
        ("identifier,sex\n1,M\n,F\n\n3,F\n", ["1", "3"], [(2, "identifier", "no-identifier")]),
        ("identifier,centre\n1,B\n2,\n", ["2"], [(1, "centre", "other-centre")]),
        ("identifier,sex\n1,M\n1,F\n1,M\n", ["1"], [(2, "identifier", "repeated-identifier")]),
        ("identifier,sex\n1,M,3\n2,F\n", ["2"], [(1, "", "wrong-column-count")]),
        # what a spreadsheet leaves: empty fields and columns at the end, its first line, names of columns in capitals, old Macs
        ("identifier,sex\n1,M,,\n2,F,\n", ["1", "2"], []),
        ("identifier,sex,,\n1,M,,\n2,F,,\n", ["1", "2"], []),
        ("identifier,,sex\n1,7,M\n", ["1"], [(0, "number 2", "unknown-column")]),
        ("sep=;\nidentifier;sex\n1;M\n", ["1"], []),
        ("IDENTIFIER|Sex\r\n1|M\r\n", ["1"], []),
        ("identifier,sex\r1,M\r2,F\r", ["1", "2"], []),
        # a mark of quotation costs its own line
        ('identifier,given_names,sex\n1,"Jean,M\n2,Luc,M\n3,Zoé,F\n', ["2", "3"], [(1, "", "open-quotation")]),
        ('identifier,given_names,sex\n1,Jean,"M\n2,Luc,M\n3,"Zoé",F\n', ["2", "3"], [(1, "", "open-quotation")]),
        ('identifier,given_names,sex\n1,"Jean\nPaul",M\n2,Luc,M\n', ["1", "2"], []),
        ('identifier,given_names\n1,"Jean, dit\nJeannot"\n2,Luc\n', ["1", "2"], []),
        # what stands for no number, and what a spreadsheet made of one
        *(
            (f"identifier;sex\n1;M\n{none};F\n", ["1"], [(2, "identifier", "no-identifier")])
            for none in ("NULL", "#N/A", "na", "0", "00000000", "-", "?", "INCONNU", "XXX", "Identifier", " ")
        ),
        *(
            (f"identifier;sex\n1;M\n{number};F\n", ["1"], [(2, "identifier", "spreadsheet-number")])
            for number in ("1.23457E+11", "1,23E+05", "123.0", "123,00")
        ),
        ("identifier;sex\n0012;M\n8-00-1;F\nN12;F\n\u200b12\u00a0;F\n", ["0012", "12", "8-00-1", "N12"], []),
        ("identifier,ins\n1,156036912345672\n2,1560369123456\n3,\n", ["1", "2", "3"], [(2, "ins", "wrong-ins")]),
    ],
)
def test_a_bad_row_is_named_and_the_others_are_read(
    text: str, rows: list[str], problems: list[tuple[int, str, str]], tmp_path: Path
) -> None:
    path = tmp_path / "people.csv"
    path.write_text(text)
    file = read_people(path, "A")
    assert file.people["identifier"].to_list() == rows
    assert [(one.row, one.column, one.reason) for one in file.problems] == problems
    assert not any(value in line for line in in_words(file) for value in ("1961-13-02", "X7", "hier"))
    assert file.set_aside == sum(not one.kept for one in file.problems)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("1956-03-12", "1956-03-12"),
        ("1956-03", "1956-03"),
        ("1956", "1956"),
        ("1956-03-12T00:00:00", "1956-03-12"),
        ("12/03/1956", "1956-03-12"),
        ("12.03.1956", "1956-03-12"),
        ("2-3-1956", "1956-03-02"),
        ("19560312", "1956-03-12"),
        ("12031956", "1956-03-12"),
        ("19571957", None),  # neither order gives a date
        ("1956-00-00", "1956"),
        ("1956-03-00", "1956-03"),
        ("00/03/1956", "1956-03"),
        ("1956-02-31", "1956"),  # of another calendar
        ("12/03/56", None),  # which century?
        ("12-MAR-56", None),
        ("12 mars 1956", "1956-03-12"),
        ("1er août 1956", "1956-08-01"),
        ("01-FEB-1956", "1956-02-01"),
        ("déc. 1956", "1956-12"),
        ("03/1956", "1956-03"),
        ("13/1956", "1956"),
        ("31 juin 1956", "1956"),
        ("12 marche 1956", None),
        ("0056-03-12", None),
        ("", None),
    ],
)
def test_dates_as_french_files_write_them(written: str, read: str | None) -> None:
    assert iso_dates([written])[0].iso == read


def test_a_column_with_months_first_makes_ambiguous_dates_years() -> None:
    assert [one.iso for one in iso_dates(["03/25/1956", "03/04/1956", "05/05/1956"])] == ["1956-03-25", "1956", "1956-05-05"]


def test_a_windows_file_with_semicolons_reads_like_a_parquet_one(tmp_path: Path) -> None:
    text = "identifier;birth_family_name;sex\r\n 1 ;Lefèvre;2\r\n"
    (tmp_path / "p.csv").write_bytes(text.encode("cp1252"))
    from_csv = read_people(tmp_path / "p.csv", "A").people
    assert from_csv.select("person_key", "system", "birth_family_name", "sex", "source_row").rows() == [
        ("1", "ipp", "Lefèvre", "F", 1)
    ]
    from_csv.write_parquet(tmp_path / "p.parquet")
    assert read_people(tmp_path / "p.parquet", "A").people.equals(from_csv)
    (tmp_path / "p.csv").write_bytes(text.encode("utf-16"))
    assert read_people(tmp_path / "p.csv", "A").people.equals(from_csv)


def test_names_as_french_files_write_them() -> None:
    assert name_tokens("d'Œuvre-Saint-Éxupéry") == ("D", "OEUVRE", "SAINT", "EXUPERY")
    assert name_tokens("St. Aubin") == ("SAINT", "AUBIN")
    assert family_names("DUPONT née MARTIN", "Le Goff") == ("DUPONT", "LEGOFF", "MARTIN")
    assert given_tokens("Mme Anne-Marie") == ("ANNE", "MARIE")
    assert parse_date("1961-04") == (1961, 4, 0) and parse_date("1961-02-41") is None


def simulated(count: int) -> tuple[pl.DataFrame, dict[tuple[str, str], str]]:
    rows, truth = [], {}
    for index in range(count):
        person = make_person(11, index, ("A", "B", "C"))
        for registration in person.registrations:
            who = registration.identity
            rows.append(
                row(
                    registration.centre,
                    registration.ipp,
                    ins=who.ins or None,
                    birth_family_name=who.birth_family_name,
                    used_family_name=who.used_family_name,
                    given_names=who.given_names,
                    birth_date=who.birth_date,
                    sex=who.sex,
                    birth_place_code=who.birth_place_code,
                )
            )
            truth[(registration.centre, registration.ipp)] = person.name
    return people(*rows), truth


def test_the_simulated_persons_are_found(tmp_path: Path) -> None:
    frame, truth = simulated(1500)
    persons.update_ledger(tmp_path / "l", frame, KEY)
    found = persons.persons(tmp_path / "l")
    by_person: dict[str, set[str]] = {}
    by_truth: dict[str, set[str]] = {}
    for centre, person_key, person in found.iter_rows():
        by_person.setdefault(person, set()).add(truth[(centre, person_key)])
        by_truth.setdefault(truth[(centre, person_key)], set()).add(person)
    assert all(len(names) == 1 for names in by_person.values()), "two persons were made one"
    # One name written as another one that exists (Martine, Marine), or half of one (Jean, Jean François), is what twins look
    # like: a person decides.
    left = {name for name, names in by_truth.items() if len(names) > 1}
    asked = pl.read_parquet(tmp_path / "l" / "revision-000001" / "review.parquet")
    in_review = {truth[(centre, key)] for centre, key in asked.select("left_centre", "left_key").iter_rows()}
    assert len(left) <= 7 and left <= in_review


def test_revisions_tell_counts_only(tmp_path: Path) -> None:
    persons.update_ledger(tmp_path / "l", people(row("A", "1"), row("B", "2")), KEY)
    (about,) = persons.revisions(tmp_path / "l")
    assert about["counts"]["persons"] == 1 and about["counts"]["links"] == {"same-traits": 1}
    assert json.dumps(about)
