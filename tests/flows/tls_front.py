"""An encrypted front before a server on loopback, as a hospital's reverse proxy is one: bytes come encrypted and go on in clear."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def tls_front(behind: int, folder: Path, name: str, asks_for: str = "") -> Iterator[int]:
    """Yield the port of a front before the port `behind`: certificate `name` of a folder, clients' certificates by `asks_for`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    if asks_for:
        context.load_verify_locations(folder / f"{asks_for}.pem")
        context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, context, behind), daemon=True).start()
        yield int(server.getsockname()[1])


def _serve(server: socket.socket, context: ssl.SSLContext, behind: int) -> None:
    with suppress(OSError):
        while True:
            plain, _ = server.accept()
            threading.Thread(target=_connect, args=(plain, context, behind), daemon=True).start()


def _connect(plain: socket.socket, context: ssl.SSLContext, behind: int) -> None:
    with (
        suppress(OSError),
        context.wrap_socket(plain, server_side=True) as client,
        socket.create_connection(("127.0.0.1", behind)) as inner,
    ):
        back = threading.Thread(target=_pump, args=(inner, client), daemon=True)
        back.start()
        _pump(client, inner)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
