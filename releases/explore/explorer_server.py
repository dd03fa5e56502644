"""The explorer as a web page of this machine: loopback alone, a token in every address, no address elsewhere, nothing logged."""

from __future__ import annotations

import csv
import hmac
import io
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from unibase.groundwork.problems import UserError
from unibase.releases.explore.cohort_code import code_of
from unibase.releases.explore.cohort_filter import Columns, Condition, parse
from unibase.releases.explore.cohort_view import endpoints, names, timeline, view
from unibase.releases.explore.drawn_regions import drawable, drawn

MOST_LISTED = 500
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True)
class Answer:
    """What is sent back: a type of content, its bytes, and the name of a file to save it as."""

    kind: str
    body: bytes
    file: str = ""


Asked = Mapping[str, Sequence[str]]


def _json(content: object) -> Answer:
    return Answer("application/json; charset=utf-8", json.dumps(content, ensure_ascii=False, allow_nan=False).encode())


def _conditions(asked: Asked) -> list[Condition]:
    return [parse(text) for text in asked.get("where", ()) if text.strip()]


def _one(asked: Asked, name: str, default: str = "") -> str:
    return (asked.get(name) or [default])[0]


def _page(columns: Columns, asked: Asked) -> Answer:
    return Answer("text/html; charset=utf-8", files(__package__).joinpath("explorer.html").read_bytes())


def _about(columns: Columns, asked: Asked) -> Answer:
    told = {name: str(columns.about.get(name, "")) for name in ("title", "study", "version")}
    return _json({**told, "subjects": columns.subjects.height, "endpoints": endpoints(columns)})


def _names(columns: Columns, asked: Asked) -> Answer:
    return _json(names(columns, _one(asked, "text")))


def _cohort(columns: Columns, asked: Asked) -> Answer:
    return _json(asdict(view(columns, _conditions(asked), _one(asked, "group"), _one(asked, "endpoint", "OS"))))


def _subjects(columns: Columns, asked: Asked) -> Answer:
    chosen = columns.subjects["subject_id"].filter(columns.chosen(_conditions(asked)))
    # As text: a number of JavaScript cannot hold them.
    return _json([str(one) for one in chosen.head(MOST_LISTED)])


def _number(asked: Asked, name: str, what: str) -> int:
    text = _one(asked, name)
    if not text.isdecimal():
        raise UserError(f"{what} is a number.")
    return int(text)


def _subject(columns: Columns, asked: Asked) -> Answer:
    return _json([asdict(one) for one in timeline(columns, _number(asked, "id", "A subject"))])


def _pictures(columns: Columns, asked: Asked) -> Answer:
    return _json([asdict(one) for one in drawable(columns.folder, _number(asked, "id", "A subject"))])


def _picture(columns: Columns, asked: Asked) -> Answer:
    subject, image = _number(asked, "id", "A subject"), _number(asked, "image", "An image")
    return Answer("image/svg+xml", drawn(columns.folder, subject, image, _one(asked, "region")).encode())


def _list(columns: Columns, asked: Asked) -> Answer:
    chosen = columns.subjects["subject_id"].filter(columns.chosen(_conditions(asked)))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["subject_id"], *([one] for one in chosen)])
    return Answer("text/csv; charset=utf-8", text.getvalue().encode(), "subjects.csv")


def _code(columns: Columns, asked: Asked) -> Answer:
    return Answer("text/x-python; charset=utf-8", code_of(columns, _conditions(asked)).encode(), "cohort.py")


PATHS: Mapping[str, Callable[[Columns, Asked], Answer]] = {
    "": _page,
    "about": _about,
    "names": _names,
    "cohort": _cohort,
    "subjects": _subjects,
    "subject": _subject,
    "pictures": _pictures,
    "picture.svg": _picture,
    "subjects.csv": _list,
    "cohort.py": _code,
}
"""What can be asked for, below the token."""


def answer(columns: Columns, token: str, target: str) -> tuple[HTTPStatus, Answer]:
    """Return the answer to a request.

    Args:
        columns: Of the release.
        token: What every address must begin with.
        target: Path and query of the request.
    """
    asked = urlsplit(target)
    given, _, name = asked.path.lstrip("/").partition("/")
    if not hmac.compare_digest(given.encode(), token.encode()):
        return HTTPStatus.FORBIDDEN, Answer("text/plain; charset=utf-8", b"Open the address that `unibase explore` printed.\n")
    found = PATHS.get(name)
    if found is None:
        return HTTPStatus.NOT_FOUND, Answer("text/plain; charset=utf-8", b"There is nothing here.\n")
    try:
        return HTTPStatus.OK, found(columns, parse_qs(asked.query))
    except UserError as problem:
        return HTTPStatus.BAD_REQUEST, _json({"problem": str(problem)})


def make_server(release: Path | str, port: int = 0) -> tuple[ThreadingHTTPServer, str]:
    """Return a server of the release in `release` on the loopback, and the address to open; `serve_forever` starts it.

    Args:
        release: Folder of a release.
        port: Its port; 0 takes any that is free.

    Raises:
        UserError: If `release` is no release, or the port is taken.
    """
    columns, token = Columns(Path(release)), secrets.token_urlsafe(24)
    assert columns.about is not None  # Reads the manifest: what is no release is refused before anything listens.

    class Handler(BaseHTTPRequestHandler):
        """Answers one request."""

        def do_GET(self) -> None:
            host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
            # Another name for this machine is that of a page elsewhere which had its own name moved here.
            if host not in ("127.0.0.1", "localhost"):
                status, found = HTTPStatus.FORBIDDEN, Answer("text/plain; charset=utf-8", b"Not under this name.\n")
            else:
                status, found = answer(columns, token, self.path)
            self.send_response(status)
            saved = {"Content-Disposition": f'attachment; filename="{found.file}"'} if found.file else {}
            lengths = {"Content-Type": found.kind, "Content-Length": str(len(found.body))}
            for name, value in {**_HEADERS, **lengths, **saved}.items():
                self.send_header(name, value)
            self.end_headers()
            with suppress(ConnectionError):  # Who asked may have gone.
                self.wfile.write(found.body)

        def log_message(self, format: str, *args: object) -> None:
            """Log nothing: an address holds the token, and may hold a subject."""

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise UserError(f"Port {port} cannot be used ({error.strerror}). Give another by --port.") from None
    server.daemon_threads = True
    return server, f"http://127.0.0.1:{server.server_address[1]}/{token}/"
