"""Two extracts of the same persons, joined by who holds both: with exact values, and with noise of each project's own."""

from __future__ import annotations

import io
import re
import tarfile
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pyrage
import pytest

from tests.known_keys import known_key
from tests.releases.examples import make_inputs
from unibase.flows.cli.attack import attack_releases
from unibase.groundwork.problems import UserError
from unibase.privacy.audit import AuditLog
from unibase.privacy.keys import write_key_file
from unibase.releases.attack.found import Attack
from unibase.releases.attack.of_extracts import attack_extracts
from unibase.releases.content.publish import publish_release
from unibase.releases.exports.extract import Request, extract
from unibase.releases.exports.extract_noise import Noise, moved

KEY = known_key("two extracts")
SUBJECTS = 60
SHARED = {"analysis": ["ldh", "CT_GTV_original_shape_MeshVolume"], "adtte": ["PARAMCD", "AVAL", "CNSR", "ADT"]}


@dataclass
class Holder:
    """Who holds a release, and can have extracts made of it and open them."""

    release: Path
    identity: pyrage.x25519.Identity
    folder: Path

    def opened(self, project: str, noise: float, variables: dict[str, list[str]]) -> Path:
        """Return the folder of an opened extract."""
        request = Request(
            project=project,
            approval="26-001",
            recipients=[str(self.identity.to_public())],
            expires=date(2030, 1, 1),
            variables=variables,  # type: ignore[arg-type]
            noise=noise,
        )
        place = self.folder / request.digest[:16]
        made = extract(self.release, request, KEY, place, today=date(2026, 1, 1), actor="dpo")
        target = place / project
        with tarfile.open(fileobj=io.BytesIO(pyrage.decrypt(made.read_bytes(), [self.identity]))) as archive:
            archive.extractall(target, filter="data")
        return target


@pytest.fixture(scope="module")
def holder(tmp_path_factory: pytest.TempPathFactory) -> Holder:
    folder = tmp_path_factory.mktemp("extracts")
    release = publish_release(make_inputs(folder / "in", subjects=SUBJECTS, genes=3), folder / "out")
    return Holder(release, pyrage.x25519.Identity.generate(), folder)


def attacked(holder: Holder, noise: float, one: dict[str, list[str]], two: dict[str, list[str]]) -> dict[str, Attack]:
    first, second = holder.opened("alpha", noise, one), holder.opened("beta", noise, two)
    return {found.name: found for found in attack_extracts(holder.release, first, second, KEY)}


def test_values_to_the_last_digit_join_two_extracts_and_noise_of_their_own_does_not(holder: Holder) -> None:
    exact, noisy = (attacked(holder, noise, SHARED, SHARED) for noise in (0.0, 0.1))
    assert exact["shared-exact"].singled_out >= SUBJECTS - 2 and exact["shared-nearest"].singled_out >= SUBJECTS - 2
    # Days are whole numbers: two projects move a person by the same of 15 now and then. Chance is one person.
    assert noisy["shared-exact"].singled_out <= SUBJECTS / 15 + 2
    measured = {"analysis": SHARED["analysis"]}
    assert attacked(holder, 0.1, measured, measured)["shared-exact"].singled_out == 0
    # Who takes all columns at once still finds many: the figures are in docs/releases.md.
    assert noisy["shared-nearest"].singled_out < exact["shared-nearest"].singled_out


def test_columns_that_are_not_shared_join_where_they_go_together(holder: Holder) -> None:
    one = {"analysis": ["CT_GTV_original_shape_MeshVolume"]}
    two = {"analysis": ["CT_GTV_original_glcm_JointEntropy", "ldh"]}
    found = attacked(holder, 0.1, one, two)
    assert found["shared-exact"].singled_out == found["shared-nearest"].singled_out == 0
    assert found["unshared"].singled_out <= 1 + 4 and found["unshared"].of == SUBJECTS


def test_the_command_attacks_two_opened_extracts_with_the_key(
    holder: Holder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = holder.opened("alpha", 0.0, SHARED), holder.opened("beta", 0.0, SHARED)
    write_key_file(KEY, tmp_path / "study.key")
    attack_releases(holder.release, first, second, key_file=tmp_path / "study.key")
    told = capsys.readouterr().out
    assert "shared-exact" in told and "list-of-deaths" in told
    with pytest.raises(UserError, match="--key-file"):
        attack_releases(holder.release, first, second)


def given(
    holder: Holder, log: AuditLog, project: str, columns: list[str], why: str = "", release: Path | None = None
) -> list[str]:
    """Have an extract made beside those of a log, and return what is told of it and them together."""
    request = Request(
        project=project,
        approval="26-001",
        recipients=[str(holder.identity.to_public())],
        expires=date(2030, 1, 1),
        variables={"analysis": columns},
        joins=why,
    )
    extract(release or holder.release, request, KEY, log.path.parent, today=date(2026, 1, 1), actor="dpo", audit=log)
    return list(log.entries()[-1]["details"]["joins"])


VOLUME, ENTROPY = "CT_GTV_original_shape_MeshVolume", "CT_GTV_original_glcm_JointEntropy"


def test_what_a_request_joins_with_earlier_extracts_is_told_before_it_leaves(holder: Holder, tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "extracts.jsonl")
    assert given(holder, log, "alpha", [VOLUME, "ldh"]) == []
    with pytest.raises(UserError, match=r"alpha, the rows of .* 3 are allowed .*joins: approval"):
        given(holder, log, "beta", ["ldh", VOLUME, ENTROPY])
    (told,) = given(holder, log, "beta", ["ldh", VOLUME, ENTROPY], why="approval 26-001 c")
    assert log.entries()[-1]["details"]["asked"]["joins"] == "approval 26-001 c"
    rows = re.search(r"alpha, the rows of (\d+) of 60 subjects can be joined by 2 columns that both hold \(CT_GTV", told)
    assert rows and int(rows[1]) > 20
    none, some = given(holder, log, "gamma", [ENTROPY], why="approval 26-001 d")
    assert "the rows of 0 of 60 subjects can be joined by 0 columns" in none and "by 1 columns" in some


def test_a_request_that_joins_more_than_a_release_allows_is_refused(tmp_path: Path) -> None:
    inputs = replace(make_inputs(tmp_path / "in", subjects=SUBJECTS, genes=3), attack_limits={"extracts": 0.05})
    release = publish_release(inputs, tmp_path / "out")
    holder, log = Holder(release, pyrage.x25519.Identity.generate(), tmp_path), AuditLog(tmp_path / "extracts.jsonl")
    given(holder, log, "alpha", [VOLUME, "ldh"])
    with pytest.raises(UserError, match=r"with the extract of alpha, the rows of .* 2 columns .* allows 5\.0%"):
        given(holder, log, "beta", [VOLUME, "ldh"], why="the limit of the study stands")
    assert len(log.entries()) == 1 and not (tmp_path / "beta.tar.age").exists()
    given(holder, log, "beta", [ENTROPY])


def test_an_extract_of_another_version_of_the_study_counts_as_well(tmp_path: Path) -> None:
    inputs = make_inputs(tmp_path / "in", subjects=SUBJECTS, genes=3)
    first, second = (publish_release(replace(inputs, version=version), tmp_path / "out") for version in ("1.0.0", "1.0.1"))
    holder, log = Holder(first, pyrage.x25519.Identity.generate(), tmp_path), AuditLog(tmp_path / "extracts.jsonl")
    given(holder, log, "alpha", [VOLUME, "ldh"])
    with pytest.raises(UserError, match=r"with the extract of alpha, the rows of"):
        given(holder, log, "beta", [VOLUME, "ldh"], release=second)


def test_noise_of_one_project_is_the_same_in_every_version_and_another_in_every_project() -> None:
    rng = np.random.default_rng(1)
    frame = pl.DataFrame({"subject_id": range(1, 501), "x": rng.lognormal(3, 1, 500), "few": rng.integers(0, 2, 500)})
    kept = frame["subject_id"].head(100)
    one, again, other = (Noise(known_key(name), 0.1, {}) for name in ("a", "a", "b"))
    told = one.applied(frame, kept)
    assert told.equals(again.applied(frame, kept)) and not told.equals(other.applied(frame, kept))
    assert told["few"].equals(frame["few"].head(100)) and (told["x"] > 0).all()
    assert one.days(kept).equals(again.days(kept)) and set(one.days(frame["subject_id"])["_moved"]) == set(range(-7, 8))
    # Nobody is moved by a share of whom else is asked for.
    assert told.head(7).equals(one.applied(frame, kept.head(7)))


WIDTHS = (
    # share asked for, ICC of the column, half the width as a share of the spread
    (0.1, None, 0.1),
    (0.1, 0.999, 0.031623),
    (0.1, 0.5, 0.1),
    (0.1, 1.0, 0.0),
    (0.1, 1.002, 0.0),
    (0.0, 0.5, 0.0),
)


@pytest.mark.parametrize(("share", "icc", "half"), WIDTHS)
def test_noise_stays_within_what_a_measurement_repeats_to(share: float, icc: float | None, half: float) -> None:
    values = np.random.default_rng(2).normal(0, 5, 4_000)
    frame = pl.DataFrame({"subject_id": range(1, 4_001), "x": values})
    noise = Noise(known_key("widths"), share, {} if icc is None else {"x": icc})
    apart = np.abs(noise.applied(frame, frame["subject_id"])["x"].to_numpy() - values)
    assert apart.max() <= half * values.std() + 1e-4
    assert apart.mean() == pytest.approx(half * values.std() / 2, rel=0.05, abs=1e-4)


def test_days_never_cross_the_index_and_move_as_one() -> None:
    rows = pl.DataFrame({"_moved": [-3] * 5, "OS": [-90, -1, 0, 2, 400], "PFS": [-90, -1, 0, 2, 30]})
    told = rows.select(moved("OS"), moved("PFS"))
    assert told["OS"].to_list() == [-93, -4, 0, 1, 397] and told["PFS"].to_list() == [-93, -4, 0, 1, 27]
