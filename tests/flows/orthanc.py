"""A real Orthanc on loopback, for one test: Debian's `orthanc` and `orthanc-dicomweb`."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

PROGRAM = shutil.which("Orthanc")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Orthanc:
    folder: Path
    title: str = "ORTHANC"
    user: str = ""
    password: str = ""
    ours: int = 1
    host: str = "127.0.0.1"
    within: tuple[str, ...] = ()
    secure: Any = True
    scheme: str = "http"
    more: dict[str, Any] = field(default_factory=dict)
    http: int = field(default_factory=free_port)
    dicom: int = field(default_factory=free_port)
    process: Any = None

    @property
    def web(self) -> str:
        return f"{self._root}/dicom-web"

    @property
    def _root(self) -> str:
        return f"{self.scheme}://{self.host}:{self.http}"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        asked = {
            "Name": self.title,
            "StorageDirectory": str(self.folder / "storage"),
            "IndexDirectory": str(self.folder / "index"),
            "HttpPort": self.http,
            "DicomPort": self.dicom,
            "DicomAet": self.title,
            "DicomCheckCalledAet": True,
            "RemoteAccessAllowed": self.host != "127.0.0.1",
            "AuthenticationEnabled": bool(self.user),
            "RegisteredUsers": {self.user: self.password} if self.user else {},
            "Plugins": [str(PLUGIN)],
            "DicomModalities": {"us": ["UNIBASE", self.host, self.ours]},
            "ConcurrentJobs": 1,
            "HttpThreadsCount": 8,
            "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
            **self.more,
        }
        (self.folder / "orthanc.json").write_text(json.dumps(asked))
        with (self.folder / "log").open("ab") as log:
            command = [*self.within, PROGRAM or "Orthanc", str(self.folder / "orthanc.json")]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self._wait()

    def _wait(self) -> None:
        for _ in range(400):
            with socket.socket() as one:
                if one.connect_ex((self.host, self.http)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def put(self, content: bytes) -> None:
        auth = (self.user, self.password) if self.user else None
        httpx.post(f"{self._root}/instances", content=content, auth=auth, verify=self.secure).raise_for_status()

    def get(self, path: str) -> Any:
        auth = (self.user, self.password) if self.user else None
        return httpx.get(f"{self._root}{path}", auth=auth, verify=self.secure).raise_for_status().json()


@contextmanager
def orthanc(folder: Path, **about: Any) -> Iterator[Orthanc]:
    one = Orthanc(folder, **about)
    one.start()
    try:
        yield one
    finally:
        one.kill()
