"""What a hostile program sends to a port: noise, lies about lengths, half a greeting."""

import random
import socket
import struct
import time
from collections.abc import Iterator

PATIENCE_S = 20


def greeting(mechanism: bytes, as_server: int = 0) -> bytes:
    """Return the greeting of ZMTP 3.1."""
    signature = b"\xff" + bytes(8) + b"\x7f\x03\x01"
    return (signature + mechanism.ljust(20, b"\0") + bytes([as_server])).ljust(64, b"\0")


def ready(kind: bytes) -> bytes:
    """Return the command that ends a handshake without keys."""
    body = b"\x05READY" + b"\x0bSocket-Type" + struct.pack(">I", len(kind)) + kind
    return bytes([4, len(body)]) + body


def long_frame(flags: int, length: int) -> bytes:
    """Return the head of a frame that claims `length` bytes."""
    return bytes([flags | 2]) + struct.pack(">Q", length)


def noise(seed: int) -> Iterator[bytes]:
    """Yield what no peer says."""
    source = random.Random(seed)
    for length in (1, 2, 9, 10, 11, 63, 64, 65, 1000, 65_536, 300_000):
        yield source.randbytes(length)
        yield bytes(length)
        yield b"\xff" * length
        for mechanism in (b"NULL", b"CURVE", b"PLAIN", source.randbytes(20)):
            yield greeting(mechanism) + source.randbytes(length)
    for kind in (b"SUB", b"DEALER", b"REQ", b"PUB", b"", source.randbytes(200)):
        yield greeting(b"NULL") + ready(kind) + source.randbytes(5000)
    for length in (250, 300, 60_000, 1 << 20, 8 << 20):
        body = b"\x09SUBSCRIBE" + b"y" * length
        yield greeting(b"NULL") + ready(b"SUB") + long_frame(4, len(body)) + body


def lies() -> Iterator[bytes]:
    """Yield frames that claim more bytes than there are."""
    for power in (36, 40, 47, 56, 62, 63):
        for length in {2**power, 2**power - 1, 2**64 - 1}:
            for before in (
                b"",
                greeting(b"NULL"),
                greeting(b"CURVE"),
                greeting(b"NULL") + ready(b"SUB"),
                greeting(b"NULL") + ready(b"DEALER"),
            ):
                for flags in (0, 1, 4):
                    yield before + long_frame(flags, length) + b"x" * 100


def say(address: tuple[str, int], data: bytes) -> None:
    """Connect, send all that is taken, and hang up when the other side does or is silent."""
    with socket.create_connection(address, PATIENCE_S) as peer:
        peer.settimeout(0.05)
        try:
            peer.sendall(data)
            while peer.recv(4096):
                pass
        except (TimeoutError, ConnectionError):
            pass


class HalfOpen:
    """Many connections that do not finish a handshake; closed at the end of a `with`."""

    def __init__(self, addresses: list[tuple[str, int]], count: int):
        self.began = time.monotonic()
        self.sockets = []
        for number in range(count):
            peer = socket.create_connection(addresses[number % len(addresses)], PATIENCE_S)
            # Nothing, a part of a greeting, a whole one.
            peer.sendall(greeting(b"CURVE")[: (0, 1, 10, 11, 33, 64)[number // len(addresses) % 6]])
            self.sockets.append(peer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for peer in self.sockets:
            peer.close()
