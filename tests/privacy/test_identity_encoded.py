"""Linkage without clear text: what leaves a centre tells no trait, and finds nearly what clear text finds."""

from __future__ import annotations

import io

import polars as pl

from tests.privacy.test_identity import INS_ONE, people, row
from unibase.groundwork.tables import PEOPLE
from unibase.privacy.encoded.encoding import Encoded, encode_people, tokens_of_records
from unibase.privacy.encoded.linkage import link_encoded
from unibase.privacy.keys import Key
from unibase.privacy.ledger.matching import edges_between
from unibase.simulation.population import synthetic_people

KEY, OTHER = Key(b"l" * 32), Key(b"m" * 32)


def encoded(frame: pl.DataFrame, key: Key = KEY) -> list[Encoded]:
    return [encode_people(part, key) for part in frame.partition_by("centre")]


def test_what_leaves_a_centre_holds_no_trait() -> None:
    frame = people(row("A", "IPP-778899", ins=INS_ONE, birth_family_name="Lefebvre", used_family_name="Ostrowski"))
    buffer = io.BytesIO()
    for table in encoded(frame)[0]:
        table.write_ipc(buffer, compression="uncompressed")
    content = buffer.getvalue().upper()
    for value in ("778899", INS_ONE, "LEFEBVRE", "OSTROWSKI", "PAUL", "1961", "75112"):
        assert value.encode() not in content, value


def test_tokens_hang_on_the_key() -> None:
    frame = people(row("A", "1", ins=INS_ONE))
    for one, two in zip(encoded(frame)[0], encoded(frame, OTHER)[0], strict=True):
        for name, dtype in one.schema.items():
            if dtype.base_type() in (pl.Binary, pl.List):
                tokens = [set((t[name].explode() if dtype == pl.List else t[name]).drop_nulls()) for t in (one, two)]
                assert tokens[0].isdisjoint(tokens[1]), name


def test_a_name_is_given_once_with_the_halves_of_every_writing() -> None:
    frame = people(
        row("A", "1", birth_family_name="GARANDEAUOSTROWSKI"),
        row("A", "2", birth_family_name="Garandeau-Ostrowski"),
        row("A", "3", birth_family_name="Garandeau Ostrowski"),
    )
    (one,) = encoded(frame)
    families = one.names.filter(pl.col("kind") == "family", pl.col("token").is_in(one.records["family"].explode().implode()))
    assert families["parts"].list.len().max() == 3
    assert one.names.select("kind", "token").is_unique().all()
    assert set(one.records["family"].explode()) <= set(one.names["token"])


def test_a_centre_reads_the_answer_back() -> None:
    frame = people(row("A", "1"), row("B", "2", birth_family_name="GARANDAEU"), row("B", "3", given_names="Luc"))
    links, _ = link_encoded(encoded(frame))
    records = tokens_of_records(frame, KEY)
    assert [(records[edge.left[1]], records[edge.right[1]]) for edge in links] == [(("A", "1"), ("B", "2"))]


def test_twins_stay_two_and_habits_of_writing_do_not_part() -> None:
    def linked(one: dict[str, str | None], two: dict[str, str | None]) -> bool:
        return bool(link_encoded(encoded(people(row("A", "1", **one), row("B", "2", **two))))[0])

    assert not linked({"given_names": "Paul"}, {"given_names": "Luc"})
    assert linked({"given_names": "Jean-Pierre"}, {"given_names": "JEANPIERRE"})
    assert linked({"birth_family_name": "Garandeau-Ostrowski"}, {"birth_family_name": "OSTROWSKI"})
    assert linked({}, {"birth_date": "1961-02-04"})
    assert linked({}, {"birth_date": "1961-04"})


def test_nearly_as_good_as_clear_text() -> None:
    frame, truth = synthetic_people(8_000, 4, seed=21)
    frame = PEOPLE.conform(frame)
    who = {
        (centre, identifier): person for centre, identifier, person in truth.select("centre", "identifier", "person").iter_rows()
    }
    records = tokens_of_records(frame, KEY)
    clear, _ = edges_between(frame, list(who))
    blind, _ = link_encoded(encoded(frame))
    right_clear = sum(who[edge.left] == who[edge.right] for edge in clear)
    right_blind = sum(who[records[edge.left[1]]] == who[records[edge.right[1]]] for edge in blind)
    assert right_blind >= 0.995 * right_clear
    assert right_blind / len(blind) >= 0.999
