"""Every container hides planted values; the scan must find each, name no value, and cry no wolf."""

from __future__ import annotations

import base64
import gzip
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import h5py
import numpy as np
import polars as pl
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from unibase.groundwork.tables import write_parquet
from unibase.privacy.leaks.leak_scan import CHUNK, Finding, Needle, scan

NEEDLES = [
    Needle("name", "Lefèbvre-Müller"),
    Needle("ipp", "00712345"),
    Needle("uid", "1.2.826.0.1.3680043.9.7133.1.1"),
    Needle("date", date(1961, 4, 2)),
    Needle("ins", "261047511200123"),
    Needle("date", date(2020, 5, 6), subject_id=4_971_753_797_019_108_782),
]


def kinds(findings: list[Finding]) -> set[str]:
    return {finding.kind for finding in findings}


def png(texts: list[tuple[bytes, bytes]]) -> bytes:
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)), *texts, (b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def in_text(folder: Path) -> None:
    (folder / "a.txt").write_text("nom : LEFEBVRE MULLER", encoding="utf-8")


def in_latin_1(folder: Path) -> None:
    (folder / "a.bin").write_bytes(b"\x01\x02" + "lefèbvre-müller".encode("latin-1") + b"\xff")


def in_utf_16_le(folder: Path) -> None:
    (folder / "a.bin").write_bytes("x Lefèbvre-Müller".encode("utf-16"))


def in_utf_16_be(folder: Path) -> None:
    (folder / "a.bin").write_bytes("x Lefèbvre-Müller".encode("utf-16-be"))


def in_utf_16_at_an_odd_place(folder: Path) -> None:
    (folder / "a.bin").write_bytes("ŒUVRE x Lefèbvre-Müller".encode("utf-16-le")[1:])


def in_csv_beside_counts(folder: Path) -> None:
    (folder / "a.csv").write_text('source_row,who\n712345,"Lefèbvre Müller"\n', encoding="utf-8")


def in_json_escapes(folder: Path) -> None:
    (folder / "a.json").write_text('{"n": "Lef\\u00e8bvre-M\\u00fcller"}')


def in_html_base64_png(folder: Path) -> None:
    image = base64.b64encode(png([(b"zTXt", b"Comment\0\0" + zlib.compress("Lefèbvre-Müller".encode("latin-1")))])).decode()
    (folder / "a.html").write_text(f"<!doctype html><img src='data:image/png;base64,{image}'>")


def in_png_itxt(folder: Path) -> None:
    text = b"Comment\0\1\0fr\0\0" + zlib.compress("Lefèbvre-Müller".encode())
    (folder / "a.png").write_bytes(png([(b"iTXt", text)]))


def in_gzip(folder: Path) -> None:
    (folder / "a.csv.gz").write_bytes(gzip.compress("a,Lefèbvre-Müller".encode()))


def in_zip_of_gzip(folder: Path) -> None:
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b.gz", gzip.compress("a,Lefèbvre-Müller".encode()))


def in_parquet(folder: Path) -> None:
    write_parquet(pl.DataFrame({"n": ["x", "Lefèbvre-Müller"] * 50}), folder / "a.parquet")


def in_parquet_categories_and_lists(folder: Path) -> None:
    write_parquet(pl.DataFrame({"n": [["Lefèbvre-Müller"], ["b"]]}), folder / "a.parquet")


def in_hdf5_string(folder: Path) -> None:
    with h5py.File(folder / "a.h5mu", "w") as file:
        file.create_dataset("obs/n", data=["a", "Lefèbvre-Müller"] * 500, compression="gzip")


def in_hdf5_attribute(folder: Path) -> None:
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_group("uns").attrs["who"] = "Lefèbvre-Müller"


def in_zarr(folder: Path) -> None:
    group = zarr.open_group(folder / "a.zarr", mode="w")
    group.create_array("n", data=np.array(["a", "Lefèbvre-Müller"] * 500, dtype="T"))


def in_sqlite(folder: Path) -> None:
    with sqlite3.connect(folder / "a.sqlite") as connection:
        connection.execute("CREATE TABLE t (n TEXT)")
        connection.execute("INSERT INTO t VALUES ('Lefèbvre-Müller')")


def in_file_name(folder: Path) -> None:
    (folder / "Lefebvre_Muller.txt").write_text("nothing")


def across_chunks(folder: Path) -> None:
    content = bytearray(2 * CHUNK)
    value = "LEFÈBVRE-MÜLLER".encode()
    content[CHUNK - 7 : CHUNK - 7 + len(value)] = value
    (folder / "a.bin").write_bytes(bytes(content))


@pytest.mark.parametrize(
    "plant",
    [
        in_text, in_latin_1, in_utf_16_le, in_utf_16_at_an_odd_place, in_csv_beside_counts, in_utf_16_be, in_json_escapes, in_html_base64_png, in_png_itxt, in_gzip, in_zip_of_gzip,
        in_parquet, in_parquet_categories_and_lists, in_hdf5_string, in_hdf5_attribute, in_zarr, in_sqlite, in_file_name, across_chunks,
    ],
)  # fmt: skip
def test_a_name_is_found_wherever_it_hides(plant: Callable[[Path], None], tmp_path: Path) -> None:
    plant(tmp_path)
    findings = scan(tmp_path, NEEDLES)
    assert kinds(findings) == {"name"}
    assert all(finding.needles == (0,) for finding in findings)
    assert "fèbvre" not in repr(findings).lower().replace("lefebvre_muller.txt", "")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "cp1252"])
def test_a_name_beyond_latin_1_is_found(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes("née ŒUVRARD^Zoé ".encode(encoding))
    assert kinds(scan(tmp_path, [Needle("name", "Œuvrard Zoé")])) == {"name"}


def test_a_hit_across_chunks_counts_once(tmp_path: Path) -> None:
    across_chunks(tmp_path)
    assert [finding.count for finding in scan(tmp_path, NEEDLES)] == [1]


def test_numbers_are_found_in_integer_columns_of_every_container(tmp_path: Path) -> None:
    write_parquet(pl.DataFrame({"n": [1, 712345]}), tmp_path / "a.parquet")
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["obs/n"] = np.array([712345, 2])
    zarr.open_group(tmp_path / "a.zarr", mode="w").create_array("n", data=np.array([712345]))
    with sqlite3.connect(tmp_path / "a.sqlite") as connection:
        connection.execute("CREATE TABLE t (n INTEGER)")
        connection.execute("INSERT INTO t VALUES (712345)")
    found = {finding.path for finding in scan(tmp_path, NEEDLES) if finding.kind == "ipp"}
    assert found == {"a.parquet", "a.h5", "a.zarr/n", "a.sqlite"}


def test_dates_are_found_as_text_and_in_date_columns(tmp_path: Path) -> None:
    (tmp_path / "iso.txt").write_text("born 1961-04-02T00:00")
    (tmp_path / "dicom.bin").write_bytes(b"DA\x08\x0019610402")
    (tmp_path / "french.csv").write_text("02/04/1961;")
    write_parquet(pl.DataFrame({"d": [datetime(1961, 4, 2, 13), datetime(2000, 1, 1)]}), tmp_path / "a.parquet")
    assert {finding.path for finding in scan(tmp_path, NEEDLES)} == {"iso.txt", "dicom.bin", "french.csv", "a.parquet"}


def test_a_date_of_one_patient_may_be_the_shifted_date_of_another(tmp_path: Path) -> None:
    subject, other = 4_971_753_797_019_108_782, 7
    write_parquet(
        pl.DataFrame({"subject_id": [subject, other], "d": [date(2000, 1, 1), date(2020, 5, 6)]}), tmp_path / "clean.parquet"
    )
    assert scan(tmp_path, NEEDLES) == []
    write_parquet(pl.DataFrame({"subject_id": [subject, other], "d": [date(2020, 5, 6)] * 2}), tmp_path / "leak.parquet")
    (tmp_path / str(subject)).mkdir()
    (tmp_path / str(subject) / "a.dcm").write_bytes(b"DA\x08\x0020200506")
    with h5py.File(tmp_path / "a.h5mu", "w") as file:
        file["obs/subject_id"] = np.array([subject, other])
        file["obs/d"] = ["2020-05-06", "x"]
    found = {finding.path for finding in scan(tmp_path, NEEDLES)}
    assert found == {"leak.parquet", f"{subject}/a.dcm", "a.h5mu"}


def test_short_values_count_as_words_of_their_own_only(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("ROUXEL 1007123459 PAULINE")
    assert scan(tmp_path, [Needle("name", "Roux"), Needle("ipp", "0712345"), Needle("name", "Paul")]) == []
    (tmp_path / "a.txt").write_text("M. ROUX^Paul, ipp 0712345x")
    assert {
        finding.needles for finding in scan(tmp_path, [Needle("name", "Roux"), Needle("ipp", "0712345"), Needle("name", "Paul")])
    } == {
        (0, 2),
        (1,),
    }


def test_names_of_three_letters_are_found_as_whole_values_of_decoded_tables(tmp_path: Path) -> None:
    write_parquet(pl.DataFrame({"n": ["Noé", "CANOE"]}), tmp_path / "a.parquet")
    assert [finding.count for finding in scan(tmp_path, [Needle("name", "Noé")])] == [1]


def test_random_bytes_raise_no_alarm(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(np.random.default_rng(7).bytes(4 << 20))
    generator = np.random.default_rng(8)
    needles = [Needle("ipp", f"{number:08d}") for number in generator.integers(10**7, 10**8, 2000)]
    assert scan(tmp_path, needles) == []


def test_what_is_computed_is_no_number_of_a_patient(tmp_path: Path) -> None:
    """What a large release is full of: gene ids, digests, keyed UIDs, counts of rows."""
    needles = [Needle("ipp", "0000170158"), Needle("ipp", "80106744"), Needle("ipp", "1234567890"), Needle("omop", "730100001")]
    digest = "a80106744f" + "0b" * 27
    (tmp_path / "genes.txt").write_text("ENSG00000170158.12 ENSMUSG00000170158 2.25.88123456789012345678901234567890")
    (tmp_path / "digests.json").write_text(f'{{"a": "{digest}", "b": "e80106744abcdef0"}}')
    rows = {"source_row": [170158, 80106744, 730100001], "x": [1, 2, 3]}
    write_parquet(pl.DataFrame(rows), tmp_path / "a.parquet")
    pl.DataFrame(rows).write_csv(tmp_path / "a.csv")
    with h5py.File(tmp_path / "a.h5mu", "w") as file:
        file["mod/rna/obsmap/rna"] = np.arange(170150, 170160)
    assert scan(tmp_path, needles) == []


def test_beside_what_is_computed_a_number_is_found(tmp_path: Path) -> None:
    needles = [Needle("ipp", "0000170158"), Needle("ipp", "80106744")]
    pl.DataFrame({"source_row": [1, 2], "note": ["ENSG00000170158", "80106744"]}).write_csv(tmp_path / "a.csv")
    (tmp_path / "b.txt").write_text("dossier80106744bis ENSG 0000170158 deadbeef80106744")
    write_parquet(pl.DataFrame({"row": [170158]}), tmp_path / "c.parquet")
    assert [(f.path, f.needles, f.count) for f in scan(tmp_path, needles)] == [
        ("a.csv", (1,), 1),
        ("b.txt", (0, 1), 2),
        ("c.parquet", (0,), 1),
    ]


@given(
    rows=st.lists(st.tuples(st.integers(1, 6), st.integers(0, 8)), min_size=1, max_size=30),
    births=st.dictionaries(st.integers(1, 6), st.integers(0, 8), min_size=1),
)
def test_dates_of_subjects_are_those_that_row_by_row_reading_finds(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, int]], births: dict[int, int]
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    days = [date(1960, 1, 1 + day) for _, day in rows]
    frame = pl.DataFrame({"subject_id": [subject for subject, _ in rows], "day": days, "text": [f"on {day}" for day in days]})
    write_parquet(frame, folder / "a.parquet")
    needles = [Needle("birth", date(1960, 1, 1 + day), subject) for subject, day in sorted(births.items())]
    expected = sum(births.get(subject) == day for subject, day in rows)
    found = {finding.place: finding.count for finding in scan(folder, needles)}
    wanted = dict.fromkeys(("parquet column day", "parquet column text"), expected) if expected else {}
    assert found == wanted


def test_an_empty_value_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="needle 0 of kind name is empty"):
        scan(tmp_path, [Needle("name", " ")])
