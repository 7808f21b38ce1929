"""A web server on loopback that serves files and, when told to, misbehaves."""

import hashlib
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType

Behaviour = Callable[["Handler", bytes], None]
"""Answers one request for a file with this content."""


class Handler(BaseHTTPRequestHandler):
    """Answers with the next behaviour of its server, and with `honest` when there is none left."""

    server: "Server"

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Range")))
        name = self.path.lstrip("/")
        if name not in self.server.files:
            self.send_error(404)
            return
        with self.server.lock:
            behave = self.server.plan.popleft() if self.server.plan else self.server.usual
        with suppress(BrokenPipeError, ConnectionResetError):  # the client has had enough
            behave(self, self.server.files[name])

    def wanted(self, content: bytes) -> int | None:
        """First byte of the range that is asked for, if that version of the file is still there."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked is None or self.headers.get("If-Range", etag(content)) != etag(content):
            return None
        return int(asked[1])

    def start(self, content: bytes, length: int | None, headers: dict[str, str]) -> None:
        """Send the head of an answer."""
        begin = self.wanted(content)
        self.send_response(200 if begin is None else 206)
        if begin is not None:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        if length is not None:
            self.send_header("Content-Length", str(length))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


def etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


def honest(handler: Handler, content: bytes) -> None:
    """Ranges, an ETag, the right length."""
    begin = handler.wanted(content) or 0
    if begin >= len(content) > 0:
        handler.send_response(416)
        handler.send_header("Content-Range", f"bytes */{len(content)}")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    handler.start(content, len(content) - begin, {"ETag": etag(content)})
    handler.wfile.write(content[begin:])


def drops(share: float = 0.5) -> Behaviour:
    """Closes the connection after a share of what it should send."""

    def behave(handler: Handler, content: bytes) -> None:
        begin = handler.wanted(content) or 0
        handler.start(content, len(content) - begin, {"ETag": etag(content)})
        rest = content[begin:]
        handler.wfile.write(rest[: int(len(rest) * share)])

    return behave


def deaf(handler: Handler, content: bytes) -> None:
    """Knows no ranges: always sends everything."""
    del handler.headers["Range"]
    handler.start(content, len(content), {"ETag": etag(content)})
    handler.wfile.write(content)


def nameless(handler: Handler, content: bytes) -> None:
    """Says neither how long the file is nor which version."""
    del handler.headers["Range"]
    handler.start(content, None, {})
    handler.wfile.write(content)


def fails(code: int, **headers: str) -> Behaviour:
    """Answers with an error."""

    def behave(handler: Handler, content: bytes) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return behave


def sends(other: bytes) -> Behaviour:
    """Sends another file, properly."""
    return lambda handler, content: honest(handler, other)


def lies(by: int) -> Behaviour:
    """States a length that is wrong by so many bytes."""

    def behave(handler: Handler, content: bytes) -> None:
        del handler.headers["Range"]
        handler.start(content, len(content) + by, {"ETag": etag(content)})
        handler.wfile.write(content[: len(content) + by])

    return behave


def shifts(handler: Handler, content: bytes) -> None:
    """Sends a range that begins elsewhere than asked."""
    if handler.wanted(content) is None:
        honest(handler, content)
        return
    handler.send_response(206)
    handler.send_header("Content-Range", f"bytes 1-{len(content) - 1}/{len(content)}")
    handler.send_header("Content-Length", str(len(content) - 1))
    handler.end_headers()
    handler.wfile.write(content[1:])


def slow(pieces: int = 20, pause: float = 0.01) -> Behaviour:
    """Sends a little at a time."""

    def behave(handler: Handler, content: bytes) -> None:
        begin = handler.wanted(content) or 0
        handler.start(content, len(content) - begin, {"ETag": etag(content)})
        rest = content[begin:]
        step = max(1, len(rest) // pieces)
        for at in range(0, len(rest), step):
            handler.wfile.write(rest[at : at + step])
            handler.wfile.flush()
            time.sleep(pause)

    return behave


def stalls(share: float, seconds: float) -> Behaviour:
    """Sends a share, then nothing for a while."""

    def behave(handler: Handler, content: bytes) -> None:
        drops(share)(handler, content)
        handler.wfile.flush()
        time.sleep(seconds)

    return behave


def redirects(address: str) -> Behaviour:
    """Sends the client elsewhere."""
    return fails(302, Location=address)


class Server(ThreadingHTTPServer):
    """`with Server({"a.zip": content}) as server: ... server.url`."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes], usual: Behaviour = honest) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = files
        self.usual = usual
        self.plan: deque[Behaviour] = deque()
        """What the next requests get."""
        self.asked: list[tuple[str, str | None]] = []
        """Path and Range of every request."""
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> "Server":
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        pass
