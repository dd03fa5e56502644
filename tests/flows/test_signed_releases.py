"""A study that names a signing key signs what it publishes, and its releases repeat nothing of where things are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.flows.small_study import write_study
from unibase.flows.runs.alone import build_alone
from unibase.flows.stages.release import PRIVATE
from unibase.groundwork.problems import UserError
from unibase.releases.content import signing

FURTHER = """\
audit_copy: ../elsewhere/trial.jsonl
signing_key: site.pem
research_pacs: {dicomweb: "http://127.0.0.1:9/zq", credentials: {user_env: ZQUSER, password_env: ZQPASS}}
dask: {workers: 1}
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = write_study(tmp_path_factory.mktemp("signed") / "study")
    file = home / "study.yaml"
    file.write_text(file.read_text(encoding="utf-8") + FURTHER, encoding="utf-8")
    (home.parent / "elsewhere").mkdir()
    with pytest.raises(UserError, match="unibase key signing"):
        build_alone(file, None, nightly=False)
    assert not (home / "releases" / "trial").exists()
    signing.new_signing_key(home / "site.pem")
    build_alone(file, None, nightly=False)
    return home


@pytest.mark.slow
def test_what_is_published_is_signed_and_a_quiet_night_leaves_it(home: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = home / "releases" / "trial" / "1.0.0"
    assert signing.verify_signed(folder, home / "site.pem.pub") == []
    before = (folder / "manifest.json.sig").stat().st_mtime_ns
    capfd.readouterr()
    assert build_alone(home / "study.yaml", None, nightly=True) == folder
    assert "release: trial 1.0.0 stands" in capfd.readouterr().err
    assert (folder / "manifest.json.sig").stat().st_mtime_ns == before


@pytest.mark.slow
def test_another_key_signs_anew_and_publishes_nothing(home: Path) -> None:
    (home / "site.pem").unlink()
    signing.new_signing_key(home / "site.pem.2")
    (home / "site.pem.2").rename(home / "site.pem")
    folder = build_alone(home / "study.yaml", None, nightly=True)
    assert folder.name == "1.0.0"
    assert signing.verify_signed(folder, home / "site.pem.2.pub") == []


@pytest.mark.slow
def test_no_release_says_where_things_are(home: Path) -> None:
    settings: dict[str, Any] = json.loads((home / "releases" / "trial" / "1.0.0" / "manifest.json").read_text())["settings"]
    assert not (PRIVATE - {"centres", "segmenters"}) & set(settings)
    text = json.dumps(settings)
    assert not [word for word in ("elsewhere", "site.pem", "ZQPASS", "127.0.0.1", "vault.key", str(home)) if word in text]
