"""A connection on which every wait ends at a given instant of `time.monotonic`."""

import socket
import time

from senescope._wire import MAX_BLOCK

_CHUNK = 64 * 1024


class Link:
    """Lines and blocks over TCP.

    Raises `OSError` when the connection fails, and of these `TimeoutError` when time is up.
    """

    def __init__(self, host: str, port: int, until: float):
        self._socket = socket.create_connection((host, port), timeout=remaining(until))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._read = bytearray()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def send(self, data: bytes, until: float) -> None:
        """Send everything."""
        self._socket.settimeout(remaining(until))
        self._socket.sendall(data)

    def line(self, until: float) -> bytes:
        """Receive up to the end of a line."""
        while (end := self._read.find(b"\n")) < 0:
            self._receive(until)
        return self._take(end + 1)

    def block(self, until: float) -> bytes:
        """Receive a block of definite length and the end of its line."""
        while len(self._read) < 2:
            self._receive(until)
        if self._read[:1] != b"#" or not self._read[1:2].isdigit():
            raise ConnectionError(f"no block but {self.line(until)!r} came")
        header = 2 + int(self._read[1:2])
        while len(self._read) < header:
            self._receive(until)
        length = int(self._read[2:header] or b"0")
        if length > MAX_BLOCK:
            raise ConnectionError(f"a block of {length} bytes is longer than any scan")
        while len(self._read) < header + length + 1:
            self._receive(until)
        return self._take(header + length + 1)[header:-1]

    def _take(self, length: int) -> bytes:
        taken = bytes(self._read[:length])
        del self._read[:length]
        return taken

    def _receive(self, until: float) -> None:
        if len(self._read) > 2 * MAX_BLOCK:
            raise ConnectionError("an endless line came")
        self._socket.settimeout(remaining(until))
        received = self._socket.recv(_CHUNK)
        if not received:
            raise ConnectionError("the connection was closed")
        self._read += received


def remaining(until: float) -> float:
    """Return the seconds that are left; raise `TimeoutError` when none are."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
