"""Stores that a hospital names: an S3 server and web folders on loopback, in clear and encrypted, with and without passwords."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.flows.test_fetch import Night, home, instances  # noqa: F401  # a fixture
from tests.flows.test_fetch_encrypted import authority  # noqa: F401  # a fixture
from tests.flows.tls_front import tls_front
from unibase.flows.study.who_asks import Who
from unibase.groundwork.problems import SourceAway, UserError

SECRET = "s3cret word"
WHO = ", credentials: {user_env: STORE_USER, password_file: password}"
PACE = ", pace: {tries: 1, timeout: 20}"


class Folder(SimpleHTTPRequestHandler):
    """A web folder that wants a password, and that has a folder which it cannot list."""

    broken = ""

    def do_GET(self) -> None:
        if self.broken and self.path.endswith(self.broken):
            self.send_error(500)
            return
        wanted = "Basic " + base64.b64encode(f"unibase:{SECRET}".encode()).decode()
        if self.headers.get("Authorization") == wanted:
            super().do_GET()
        else:
            self.send_error(401)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def who(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    """A study folder with who asks: the name in the environment, the password in a file."""
    monkeypatch.setenv("STORE_USER", "unibase")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (home / "password").write_text(SECRET)
    (home / "password").chmod(0o600)
    return home


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of an S3 server with a bucket."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    client = boto3.client(
        "s3", endpoint_url=f"http://127.0.0.1:{port}", aws_access_key_id="x", aws_secret_access_key="x", region_name="us-east-1"
    )
    client.create_bucket(Bucket="lyon")
    for path in instances(tmp_path_factory.mktemp("s3"))[:3]:
        client.put_object(Bucket="lyon", Key=f"été/{path.parent.name}/{path.name}", Body=path.read_bytes())
    yield port
    server.stop()


@pytest.fixture
def web(who: Path) -> Iterator[int]:
    """The port of a web folder with images."""
    instances(who / "web/été")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Folder, directory=who / "web")) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield int(server.server_address[1])
        server.shutdown()


def refuses_secrets(night: Night) -> None:
    everything = b"".join(path.read_bytes() for path in night.study.work.root.rglob("*") if path.is_file())
    assert SECRET.encode() not in everything and SECRET not in "".join(night.said)


def test_an_s3_store_is_copied_once(who: Path, s3: int) -> None:
    night = Night(who, f"{{path: 's3://lyon/été', endpoint: 'http://127.0.0.1:{s3}'{WHO}{PACE}}}").run()
    assert night.used == {"IPP1/IM1": "done", "IPP1/IM2": "done", "IPP2/IM1": "done"} and not night.refused
    assert not any(one.repeated for one in night.run().fetched)
    refuses_secrets(night)


def test_an_s3_store_behind_https_is_trusted_by_its_authority(who: Path, s3: int, authority: Path) -> None:  # noqa: F811
    with tls_front(s3, authority, "pacs") as port:
        said = f"path: 's3://lyon/été', endpoint: 'https://127.0.0.1:{port}'{WHO}{PACE}"
        assert len(Night(who, f"{{{said}, tls: {{ca: {authority}/ca.pem}}}}").run().used) == 3
        with pytest.raises(UserError, match=r"certificate that is not trusted.*tls\.ca"):
            Night(who, f"{{{said}, tls: {{ca: {authority}/other.pem}}}}").run()


def test_a_store_without_credentials_says_so(who: Path, s3: int) -> None:
    with pytest.raises(UserError, match=r"refuses us\. Name who asks"):
        Night(who, f"{{path: 's3://lyon/été', endpoint: 'http://127.0.0.1:{s3}'{PACE}}}").run()


def test_a_store_that_is_away_is_away(who: Path) -> None:
    with pytest.raises(SourceAway):
        Night(who, f"{{path: 's3://lyon/été', endpoint: 'http://127.0.0.1:9'{WHO}{PACE}}}").run()


def test_a_web_folder_is_copied_once(who: Path, web: int, authority: Path) -> None:  # noqa: F811
    night = Night(who, f"{{path: 'http://127.0.0.1:{web}/été/'{WHO}{PACE}}}").run()
    assert night.used["IPP1/IM1"] == "done" and len(night.used) == 6
    assert not any(one.repeated for one in night.run().fetched)
    refuses_secrets(night)
    with pytest.raises(UserError, match="refuses us"):
        Night(who, f"{{path: 'http://127.0.0.1:{web}/été/'{PACE}}}").run()
    with tls_front(web, authority, "pacs") as port:
        said = f"path: 'https://127.0.0.1:{port}/été/'{WHO}{PACE}"
        assert len(Night(who, f"{{{said}, tls: {{ca: {authority}/ca.pem}}}}").run().used) == 6
        with pytest.raises(UserError, match=r"certificate that is not trusted.*tls\.ca"):
            Night(who, f"{{{said}}}").run()


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("{path: 's3://a/b', endpoint: 'http://u:p@host'}", "write no password into an address"),
        ("{path: dicom, endpoint: 'http://host'}", "endpoint is of an address that begins with s3"),
        ("{path: 'memory://x', credentials: {user_env: STORE_USER, password_file: password}}", "not taken for memory://"),
    ],
)
def test_what_cannot_be_meant_of_a_store_is_told(who: Path, said: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        Night(who, said).run()


def test_a_folder_of_a_web_folder_that_cannot_be_listed_stops_the_night(who: Path, web: int) -> None:
    night = Night(who, f"{{path: 'http://127.0.0.1:{web}/'{WHO}{PACE}}}").run()
    assert len(night.used) == 6
    Folder.broken = "IPP2/"
    try:
        with pytest.raises(SourceAway):
            night.run()
    finally:
        Folder.broken = ""
    assert len(night.run().used) == 6


def test_who_asks_shows_no_secret() -> None:
    assert SECRET not in repr(Who("unibase", SECRET)) and SECRET not in repr(Who(token=SECRET))
