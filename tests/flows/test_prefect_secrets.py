"""Who asks an archive, from Secret blocks of a Prefect that runs for the test, from variables and from files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.blocks.system import Secret  # noqa: TID251
from prefect.settings import PREFECT_API_URL, temporary_settings  # noqa: TID251
from prefect.testing.utilities import prefect_test_harness  # noqa: TID251

from tests.flows.test_fetch import Night, home  # noqa: F401  # a fixture
from tests.flows.test_fetch_stores import SECRET, refuses_secrets, web, who  # noqa: F401  # fixtures
from unibase.flows.study.prefect_key import read_key_secret, read_secret
from unibase.flows.study.who_asks import Who, who_asks
from unibase.groundwork.problems import UserError
from unibase.imaging.fetching.options import Credentials

BLOCKS: dict[str, object] = {
    "pacs": SECRET,
    "pacs-line": f"{SECRET}\r\n",
    "pacs-empty": "",
    "pacs-number": 1234567,
    "pacs-mapping": {"token": SECRET},
    "study-key": "ab" * 32,
}

# What `credentials` say, and who asks; or what is told.
WAYS: list[tuple[dict[str, str], Who | str]] = [
    ({"token_prefect_secret": "pacs"}, Who(token=SECRET)),
    ({"token_prefect_secret": "pacs-line"}, Who(token=SECRET)),
    ({"user_env": "STORE_USER", "password_prefect_secret": "pacs-line"}, Who("unibase", SECRET)),
    ({"token_prefect_secret": "absent"}, r"no Secret block 'absent' \(http://.*set PREFECT_API_URL"),
    ({"token_prefect_secret": "pacs-empty"}, "'pacs-empty' holds no text"),
    ({"token_prefect_secret": "pacs-number"}, "'pacs-number' holds no text.*in quotes"),
    ({"user_env": "STORE_USER", "password_prefect_secret": "pacs-mapping"}, "'pacs-mapping' holds no text"),
    ({"token_env": "LINE"}, Who(token=SECRET)),
    ({"user_env": "STORE_USER", "password_env": "LINE"}, Who("unibase", SECRET)),
    ({"token_env": "BLANK"}, "BLANK, which `credentials` names, is not set"),
    ({"token_env": "ACCENT"}, "no token has"),
    ({"token_env": "SPACE"}, "spaces at an end"),
    ({"user_env": "STORE_USER", "password_file": "empty"}, "first line of .*empty is empty"),
]


@pytest.fixture(scope="module")
def prefect() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=240):
        for name, value in BLOCKS.items():
            Secret(value=value).save(name)
        yield


@pytest.fixture
def asked(who: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    for name, value in (("LINE", f"{SECRET}\n"), ("BLANK", "\n"), ("ACCENT", "clé"), ("SPACE", " x")):
        monkeypatch.setenv(name, value)
    (who / "empty").write_text("\nsecond")
    (who / "empty").chmod(0o600)
    return who


@pytest.mark.parametrize(("said", "expected"), WAYS, ids=lambda one: " ".join(one.values()) if isinstance(one, dict) else "")
def test_each_way_gives_who_asks_or_says_what_is_wrong(
    prefect: None, asked: Path, said: dict[str, str], expected: Who | str
) -> None:
    study = Night(asked, "dicom").study
    if isinstance(expected, Who):
        assert who_asks(study, Credentials(**said)) == expected
        return
    with pytest.raises(UserError, match=expected) as told:
        who_asks(study, Credentials(**said))
    assert SECRET not in str(told.value) and "1234567" not in str(told.value)


def test_a_password_from_prefect_opens_a_web_folder_and_is_written_nowhere(
    prefect: None,
    who: Path,  # noqa: F811
    web: int,  # noqa: F811
) -> None:
    asks = "credentials: {user_env: STORE_USER, password_prefect_secret: pacs}, pace: {tries: 1, timeout: 20}"
    night = Night(who, f"{{path: 'http://127.0.0.1:{web}/été/', {asks}}}").run()
    assert len(night.used) == 6
    refuses_secrets(night)


def test_the_key_of_a_study_comes_from_prefect(prefect: None) -> None:
    assert read_key_secret("study-key").secret == bytes.fromhex("ab" * 32)
    with pytest.raises(UserError, match="no hexadecimal key"):
        read_key_secret("pacs")


def test_a_prefect_that_is_away_is_told(prefect: None) -> None:
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(UserError, match=r"'pacs', does not answer \(http://127\.0\.0\.1:9/api, ConnectError\)\. Start the server"),
    ):
        read_secret("pacs")


@pytest.mark.parametrize(
    "said",
    [
        {"user_env": "U"},
        {"password_prefect_secret": "pacs"},
        {"user_env": "U", "password_env": "P", "password_prefect_secret": "pacs"},
    ],
)
def test_a_user_has_one_password(said: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="user_env wants one of"):
        Credentials(**said)
