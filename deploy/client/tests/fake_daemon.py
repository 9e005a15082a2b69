"""A daemon's board of pushed frames, as far as a pusher sees it, with faults."""

import json
import socket
import socketserver
import struct
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

HEADER = struct.Struct("<4sHHIIQQIHHHHHBBIIQ")
SCAN = {
    "width": 300,
    "height": 500,
    "pixel_size_um": 0.5,
    "channels": [
        {"name": "SRS", "bit": 0, "bit_depth": 12},
        {"name": "TRANS", "bit": 2, "bit_depth": 8},
    ],
    "running": True,
}


class FakeDaemon(socketserver.ThreadingTCPServer):
    """Keeps what is pushed: `frames[run, frame][bit]` is an image."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        self.frames: dict[tuple[int, int], dict[int, np.ndarray[Any, Any]]] = {}
        self.sequences: list[int] = []
        self.largest = 0
        # Answers to the next records, in place of taking them; None breaks the connection.
        self.faults: list[bytes | None] = []
        # Answers to every record.
        self.always: bytes | None = None
        self.silent = False
        # While this is not set, nothing is answered.
        self.free = threading.Event()
        self.free.set()
        self.greeting = b""
        super().__init__(("127.0.0.1", 0), Peer)

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet about peers that break off."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def take(self, record: bytes) -> bytes:
        """Check a record and keep it."""
        fields = HEADER.unpack(record[:64])
        _, version, header, payload, run, _, sequence, frame, field, first, rows, width, mask = (
            fields[:13]
        )
        assert (version, header, field) == (1, 64, 0)
        assert zlib.crc32(record[:-4]) == int.from_bytes(record[-4:], "little")
        assert payload == len(record) - 68 == 2 * rows * width
        bit = mask.bit_length() - 1
        assert mask == 1 << bit
        self.sequences.append(sequence)
        self.largest = max(self.largest, payload)
        missing = np.full((500, 300), -1)
        image = self.frames.setdefault((run, frame), {}).setdefault(bit, missing)
        part = np.frombuffer(record[64:-4], "<u2").reshape(rows, width)
        known = bool((image[first : first + rows] == part).all())
        image[first : first + rows] = part
        return b'0,"known"\n' if known else b'0,"accepted"\n'


class Peer(socketserver.StreamRequestHandler):
    """A connection."""

    server: FakeDaemon

    def handle(self) -> None:
        """Answer until the end."""
        daemon = self.server
        if daemon.greeting:
            self.wfile.write(daemon.greeting)
            return
        while start := self.rfile.read(4):
            if daemon.silent:
                continue
            daemon.free.wait()
            if start != b"SNST":
                assert start + self.rfile.readline() == b"SCAN:ACT?\n"
                text = json.dumps(SCAN).encode()
                self.wfile.write(b"#3%03d%s\n" % (len(text), text))
                continue
            header = start + self.rfile.read(60)
            length = HEADER.unpack(header)[3]
            record = header + self.rfile.read(length + 4)
            if daemon.faults:
                answer = daemon.faults.pop(0)
                if answer is None:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
            else:
                answer = daemon.always or daemon.take(record)
            self.wfile.write(answer)
            if answer.startswith((b"-161", b"-365")):
                return


def ends(call: Callable[[], object], within_s: float = 20) -> bool:
    """Return whether a call ends in time; when it does not, it does not hold up the tests."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(within_s)
    return not thread.is_alive()


@contextmanager
def fake_daemon() -> Iterator[FakeDaemon]:
    """Run one."""
    with FakeDaemon() as daemon:
        thread = threading.Thread(target=daemon.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield daemon
        finally:
            daemon.free.set()
            daemon.shutdown()
            thread.join()
