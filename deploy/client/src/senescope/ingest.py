"""Pushes images into the daemon's board `ingest`.

    with Pusher("127.0.0.1:5559") as pusher:
        pusher.push(0, {"SRS": srs, "TPEF": tpef, "TRANS": trans})

Frames are numbered by the caller, upwards. The channels of a frame may be pushed together or one
after another. A `Pusher` is used by one thread at a time.
"""

import collections
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, TypeVar

import numpy.typing as npt

from senescope import _wire
from senescope._link import Link, remaining

Image = npt.NDArray[Any]
T = TypeVar("T")

# Answers after which the same record may be sent again.
_NO_RUN, _OTHER_PUSHER, _TOO_FAR_AHEAD = -200, -203, -225
_AGAIN = frozenset((_NO_RUN, _OTHER_PUSHER, _TOO_FAR_AHEAD))
# Answers after which the connection is closed: the record was damaged or held up on its way.
_DAMAGED = frozenset((-161, -365))
# Records on their way at once, and how long a refused one waits before it is sent again.
_WINDOW = 8
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.002, 0.1
# How many pushes are remembered, so that a number that is used twice is noticed.
_REMEMBERED = 4096


class IngestError(Exception):
    """The daemon did not take a frame.

    `number` is its answer, or `None` when there was none. `again` is whether it may take the same
    images later.
    """

    def __init__(self, message: str, number: int | None = None, again: bool = False):
        super().__init__(message)
        self.number = number
        self.again = again


@dataclass(frozen=True)
class Channel:
    """A channel that the daemon wants."""

    name: str
    bit: int
    bit_depth: int


@dataclass(frozen=True)
class Scan:
    """The scan that the daemon wants."""

    width: int
    height: int
    pixel_size_um: float
    channels: tuple[Channel, ...]
    running: bool

    def channel(self, name: str) -> Channel:
        """Return the channel of this name; raise `IngestError` when the daemon does not want it."""
        for channel in self.channels:
            if channel.name == name:
                return channel
        names = ", ".join(channel.name for channel in self.channels)
        raise IngestError(f"the daemon does not want a channel {name}; it wants {names}")


@dataclass
class Stats:
    """What a `Pusher` has done."""

    images: int = 0
    records: int = 0
    repeated: int = 0
    connections: int = 0
    bytes: int = 0


@dataclass
class _Record:
    data: bytes
    sent: int = 0


class Pusher:
    """Pushes images to the daemon at `address`, and waits until they are taken.

    No call takes longer than `timeout_s`; then `IngestError` is raised. The call may be repeated:
    what was taken is not taken twice.
    """

    def __init__(self, address: str = "127.0.0.1:5559", timeout_s: float = 10.0):
        host, colon, port = address.rpartition(":")
        if not colon or not port.isdigit():
            raise ValueError(f"{address!r} is no address; give host:port, such as 127.0.0.1:5559")
        self.stats = Stats()
        self._address = (host.strip("[]"), int(port))
        self._timeout_s = timeout_s
        self._boot = secrets.randbits(64)
        self._run = 1
        self._sequence = 0
        self._link: Link | None = None
        self._scan: Scan | None = None
        self._pushed: collections.OrderedDict[tuple[int, str], None] = collections.OrderedDict()

    def __enter__(self) -> "Pusher":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. The next call opens it again."""
        if self._link is not None:
            self._link.close()
        self._link = None
        self._scan = None

    def scan(self) -> Scan:
        """Ask the daemon which scan it wants."""
        self._scan = None
        return self._twice(time.monotonic() + self._timeout_s, lambda _, scan: scan)

    def begin(self) -> None:
        """Begin anew, with frames numbered from 0. Those that are not complete are given up."""
        self._run += 1
        self._sequence = 0
        self._pushed.clear()

    def push(self, frame: int, images: Mapping[str, Image]) -> None:
        """Push images of one frame, and wait until they are taken.

        Each is an array of rows × columns of 8- or 16-bit counts. Raises `TypeError` or
        `ValueError` for images that cannot be pushed, `IngestError` when the daemon does not take
        them.
        """
        until = time.monotonic() + self._timeout_s
        if not 0 <= frame < 1 << 32:
            raise ValueError(f"a frame cannot have the number {frame}; count from 0")
        for name in images:
            if (frame, name) in self._pushed:
                raise ValueError(
                    f"{name} of frame {frame} was pushed already; number the frames on, "
                    "or call begin()"
                )
        scan = self._twice(until, lambda _, scan: scan)
        waiting = collections.deque(self._records(scan, frame, images))
        self._twice(until, lambda link, _: self._exchange(link, waiting, until))
        for name in images:
            self._pushed[frame, name] = None
            self.stats.images += 1
        while len(self._pushed) > _REMEMBERED:
            self._pushed.popitem(last=False)

    def _twice(self, until: float, action: Callable[[Link, Scan], T]) -> T:
        """Do it, and once more on another connection when the first one fails."""
        try:
            return action(*self._connected(until))
        except OSError as error:
            self.close()
            if isinstance(error, TimeoutError):
                raise self._late() from error
        try:
            return action(*self._connected(until))
        except OSError as error:
            self.close()
            if isinstance(error, TimeoutError):
                raise self._late() from error
            raise IngestError(
                f"no connection to the daemon at {self._where()} ({error}); start it with the "
                "board ingest",
                again=True,
            ) from error

    def _late(self) -> IngestError:
        return IngestError(
            f"the daemon at {self._where()} did not answer within {self._timeout_s} s", again=True
        )

    def _where(self) -> str:
        return "{}:{}".format(*self._address)

    def _connected(self, until: float) -> tuple[Link, Scan]:
        if self._link is None:
            self._link = Link(*self._address, until)
            self.stats.connections += 1
        if self._scan is None:
            self._link.send(b"SCAN:ACT?\n", until)
            try:
                self._scan = _scan(json.loads(self._link.block(until)))
            except (ValueError, KeyError, TypeError) as error:
                raise IngestError(f"the daemon's scan cannot be read: {error!r}") from error
        return self._link, self._scan

    def _records(self, scan: Scan, frame: int, images: Mapping[str, Image]) -> Iterator[_Record]:
        """Cut images into records, the channels of the same rows after one another."""
        planes = [
            (scan.channel(name), _counts(scan, name, image)) for name, image in images.items()
        ]
        rows = max(1, _wire.MAX_PAYLOAD // (2 * scan.width))
        for first in range(0, scan.height, rows):
            for channel, counts in planes:
                part = counts[first : first + rows]
                strip = _wire.Strip(
                    boot=self._boot,
                    run=self._run,
                    sequence=self._sequence,
                    frame=frame,
                    first_row=first,
                    rows=part.shape[0],
                    width=scan.width,
                    mask=1 << channel.bit,
                    bit_depth=channel.bit_depth,
                )
                self._sequence += 1
                yield _Record(_wire.record(strip, part.astype("<u2", copy=False).tobytes()))

    def _exchange(self, link: Link, waiting: collections.deque[_Record], until: float) -> None:
        """Send all that waits; what is not acknowledged when it fails waits again."""
        flying: collections.deque[_Record] = collections.deque()
        pause_s, resting = _FIRST_PAUSE_S, False
        refusal: tuple[int, str] | None = None
        try:
            while waiting or flying:
                while waiting and len(flying) < _WINDOW and not resting:
                    flying.append(waiting.popleft())
                    self._send(link, flying[-1], until)
                number, text = self._reply(link, until)
                if number == 0:
                    flying.popleft()
                    pause_s, refusal = _FIRST_PAUSE_S, None
                elif number in _AGAIN:
                    # Those that are on their way will be answered alike.
                    waiting.append(flying.popleft())
                    resting, refusal = True, (number, text)
                elif number in _DAMAGED:
                    raise ConnectionError(text)
                else:
                    # The daemon may want another scan by now.
                    self._scan = None
                    raise IngestError(text, number)
                if resting and not flying:
                    time.sleep(min(pause_s, remaining(until)))
                    pause_s, resting = min(2 * pause_s, _LONGEST_PAUSE_S), False
        except BaseException as error:
            if flying:
                # Answers to what is on its way would be taken for those to what comes next.
                waiting.extendleft(reversed(flying))
                self.close()
            if isinstance(error, TimeoutError) and refusal is not None:
                number, text = refusal
                message = f"{text} (tried for {self._timeout_s} s)"
                raise IngestError(message, number, again=True) from error
            raise

    def _send(self, link: Link, record: _Record, until: float) -> None:
        try:
            link.send(record.data, until)
        except TimeoutError:
            raise
        except OSError as error:
            # Why it was closed may be there to be read.
            number, text = self._reply(link, until)
            if number == 0 or number in _DAMAGED | _AGAIN:
                raise ConnectionError(text) from error
            raise IngestError(text, number) from error
        self.stats.records += 1
        self.stats.repeated += record.sent > 0
        self.stats.bytes += len(record.data)
        record.sent += 1

    def _reply(self, link: Link, until: float) -> tuple[int, str]:
        try:
            return _wire.reply(link.line(until))
        except ValueError as error:
            raise IngestError(str(error)) from error


def _scan(fields: dict[str, Any]) -> Scan:
    channels = [
        Channel(str(field["name"]), int(field["bit"]), int(field["bit_depth"]))
        for field in fields["channels"]
    ]
    return Scan(
        width=int(fields["width"]),
        height=int(fields["height"]),
        pixel_size_um=float(fields["pixel_size_um"]),
        channels=tuple(channels),
        running=bool(fields["running"]),
    )


def _counts(scan: Scan, name: str, image: Image) -> Image:
    """Return the image, when the daemon can take it."""
    if image.dtype.kind != "u" or image.dtype.itemsize > 2:
        raise TypeError(
            f"{name} has samples of {image.dtype}; give counts as uint8 or uint16, scaled in a way "
            "that you know"
        )
    if image.shape != (scan.height, scan.width):
        raise ValueError(
            f"{name} has the shape {image.shape}, and the daemon wants {scan.height} rows × "
            f"{scan.width} columns"
        )
    depth = scan.channel(name).bit_depth
    if image.max() >= 1 << depth:
        raise ValueError(
            f"{name} has a sample of {image.max()}, and the daemon takes it to have {depth} bits; "
            "configure its true bit depth there"
        )
    return image


__all__ = ["Channel", "Image", "IngestError", "Pusher", "Scan", "Stats"]
