"""Follows what a daemon publishes, and fetches from its record what did not arrive.

    with Subscriber() as subscriber:
        for label in subscriber.labels():
            print(label.seq, label.label, label.p_senescent)

Every label comes once and in the order of its number, however late this joins, however slowly it
reads, and whether or not the daemon is started again. What neither arrived nor is in the record of
the daemon is told as a `Gap`.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any

import cbor2
import zmq

from senescope import events
from senescope._record import CatchUp, Place, Run, no_run
from senescope.control import ENDPOINT as CONTROL
from senescope.control import Control
from senescope.events import Event, Gap, Label, Map, RunEnd, RunStart
from senescope.keys import Keys, Socket, connect

_LOG = logging.getLogger(__name__)
LABELS, MAPS = "tcp://127.0.0.1:5556", "tcp://127.0.0.1:5557"
_VERSION = 1
# A daemon has something to say every second.
_SILENCE_S = 10.0
# Maps that are on their way when the end of their run is there already.
_MAPS_S = 1.0
# How long a map waits for the start of its run, of which the next sign of life tells.
_START_S = 3.0
_JOIN_TRIES = 20

# A header and its payload.
Message = tuple[dict[str, Any], list[bytes]]


class StreamError(Exception):
    """What came is not of a daemon of this version."""


class Subscriber:
    """A subscription to the daemon whose sockets are at `labels`, `maps` and `control`.

    Iterate over `labels`, `maps` or `events`, from one thread and one after another; a loop that
    was left is gone on with by the next one. Maps are subscribed to by the first `maps` or
    `events`, and never when `maps` is `None`. They are not recorded for this: one that is lost is a
    `Gap`.

    With `history` it begins with the first label of a run that is on, otherwise with those to come.
    At most `receive_hwm` messages a socket wait here for a slow reader; later ones wait in the
    daemon, which gives them up when they are too many, and are then fetched from the record.
    A record that is not as far yet is waited for `recovery_s`. When nothing at all comes for
    `timeout_s`, `TimeoutError` is raised; `None` waits for ever, and it is logged.

    `missed` counts the numbers of gaps by kind, which are also logged as warnings.
    """

    def __init__(
        self,
        labels: str = LABELS,
        maps: str | None = MAPS,
        control: str = CONTROL,
        keys: Keys | None = None,
        *,
        history: bool = True,
        receive_hwm: int = 1000,
        timeout_s: float | None = None,
        recovery_s: float = 30.0,
    ):
        self.missed: Counter[str] = Counter()
        self._endpoints = labels, maps
        self._keys = keys
        self._history = history
        self._receive_hwm = receive_hwm
        self._timeout_s = timeout_s
        self._control = Control(control, keys, timeout_s=5.0)
        self._catch_up = CatchUp(self._control, recovery_s)
        self._labels: Socket | None = None
        self._maps: Socket | None = None
        # How far this is; `None` before the first message.
        self._place: Place | None = None
        # The number of the last map, by epoch: each socket comes to a new one by itself.
        self._last_map: dict[str, int] = {}
        self._lost_start: str | None = None
        # Runs whose start was told, or did not come in time.
        self._begun: deque[str] = deque(maxlen=8)
        # A map whose run has not begun, and until when it waits.
        self._early: tuple[Message, float] | None = None
        self._stream: Iterator[Event] | None = None
        # Time without a word that was spent waiting, and that before the last new subscription.
        self._silent_s = self._renewed_s = 0.0

    def __enter__(self) -> "Subscriber":
        self._subscribe(with_maps=False)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the subscription."""
        self._close_sockets()
        self._control.close()

    def labels(self) -> Iterator[Label]:
        """Yield labels, without end."""
        return (event for event in self._events() if isinstance(event, Label))

    def maps(self) -> Iterator[Map]:
        """Yield maps, without end."""
        if self._endpoints[1] is None:
            raise ValueError("this subscriber was made without maps")
        return (event for event in self.events() if isinstance(event, Map))

    def events(self) -> Iterator[Event]:
        """Yield everything, without end.

        A run's start comes before its labels and maps, and its end after them. A map may come
        before its label.
        """
        if self._labels is None:
            raise ValueError("a subscriber is used within `with`")
        self._subscribe(with_maps=True)
        return self._events()

    def _subscribe(self, with_maps: bool) -> None:
        def subscribed(endpoint: str, *kinds: str) -> Socket:
            socket = connect(zmq.SUB, endpoint, self._keys, rcvhwm=self._receive_hwm)
            for kind in kinds:
                socket.subscribe(f"v{_VERSION}/{kind}/")
            return socket

        labels, maps = self._endpoints
        if self._labels is None:
            self._labels = subscribed(labels, "run", "label", "hb")
        if self._maps is None and with_maps and maps is not None:
            self._maps = subscribed(maps, "cam")

    def _close_sockets(self) -> None:
        for socket in (self._labels, self._maps):
            if socket is not None:
                socket.close()
        self._labels = self._maps = None

    def _events(self) -> Iterator[Event]:
        # Where a loop was left, the rest of what was being fetched is still there for the next.
        while True:
            if self._stream is None:
                self._stream = self._follow()
            try:
                event = next(self._stream)
            except BaseException:
                # What was on its way is fetched again.
                self._stream = None
                raise
            if isinstance(event, Gap):
                self._tell(event)
            elif isinstance(event, RunStart):
                self._begun.append(event.run)
            yield event

    def _tell(self, gap: Gap) -> None:
        if gap.last is not None:
            self.missed[gap.kind] += gap.last + 1 - gap.first
        upto = "on" if gap.last is None else f"to {gap.last}"
        _LOG.warning("%ss from %d %s are missing: %s", gap.kind, gap.first, upto, gap.why)

    def _follow(self) -> Iterator[Event]:
        while True:
            for header, payload in self._receive():
                if header["type"] == "cam" and header["run"] in self._begun:
                    yield from self._map(header, payload)
                elif header["type"] == "cam":
                    self._early = (header, payload), time.monotonic() + _START_S
                elif self._place is None:
                    yield from self._join(header)
                else:
                    yield from self._take(header, self._place)

    def _receive(self) -> Iterator[Message]:
        """Wait until something comes, and yield a message of each socket that has one."""
        while True:
            if self._labels is None:
                raise ValueError("a subscriber is used within `with`")
            if self._early is not None:
                (header, payload), until = self._early
                if time.monotonic() > until:
                    self._begun.append(header["run"])
                if header["run"] in self._begun:
                    self._early = None
                    yield header, payload
            # Other maps stay behind one that waits.
            sockets = [self._labels]
            if self._maps is not None and self._early is None:
                sockets.append(self._maps)
            poller = zmq.Poller()
            for socket in sockets:
                poller.register(socket, zmq.POLLIN)
            began = time.monotonic()
            ready = dict(poller.poll(100))
            self._silent_s += time.monotonic() - began
            if ready:
                break
            self._bear_silence()
        for socket in sockets:
            # What one has may be taken while a message of the other is dealt with.
            if socket.poll(0):
                if socket is self._labels:
                    self._silent_s = self._renewed_s = 0
                yield _read(socket)

    def _bear_silence(self) -> None:
        """Give up, or subscribe anew: libzmq does not try again what was refused once."""
        where = f"nothing came from {self._endpoints[0]} for {self._silent_s:.0f} s"
        if self._timeout_s is not None and self._silent_s > self._timeout_s:
            self._silent_s = self._renewed_s = 0
            raise TimeoutError(f"{where}; is the daemon running, and is this key on its list?")
        if self._silent_s > self._renewed_s + _SILENCE_S:
            if self._renewed_s == 0:
                _LOG.warning("%s; it is waited for", where)
            self._renewed_s = self._silent_s
            with_maps = self._maps is not None
            self._close_sockets()
            self._subscribe(with_maps)

    def _join(self, header: Mapping[str, Any]) -> Iterator[Event]:
        """Begin with the run that is on. The message proves that the subscription is live."""
        for _ in range(_JOIN_TRIES):
            status, again = self._control.status(), self._control.status()
            # Then its counts are of one moment.
            if status["last_seq"]["label"] == again["last_seq"]["label"]:
                break
        snapshot = self._control.snapshot()
        if (
            not header["epoch"] == status["epoch"] == snapshot["epoch"]
            or status["last_seq"]["run"] != snapshot["last_seq"]["run"]
        ):
            return  # The daemon, or a run, has just begun or ended: with the next message.
        start, last = snapshot["run_start"], snapshot["last_seq"]
        place = Place(header["epoch"], last["label"], last["run"])
        if self._maps is not None:
            self._last_map.setdefault(place.epoch, last["cam"])
        if start is not None and status["run"] == start["run"]:
            # Before its labels, so that a change of settings that this has missed is told.
            place.run_seq = start["seq"] - 1
            yield from self._catch_up.start(place, snapshot)
            if self._history:
                place.label = _before_run(snapshot, status)
        self._place = place
        yield from self._take(header, place)

    def _take(self, header: Mapping[str, Any], place: Place) -> Iterator[Event]:
        """Take a message of runs, labels or signs of life."""
        if header["epoch"] != place.epoch:
            if place.run.start is not None and not place.run.ended:
                why = "the daemon was restarted"
                run = place.run_name
                yield Gap("label", place.epoch, run, place.label + 1, None, why)
            self._place = place = Place(header["epoch"])
            if self._last_map:
                self._last_map.setdefault(place.epoch, 0)
        kind, seq = header["type"], header["seq"]
        if kind == "hb":
            last = header["last_seq"]
            yield from self._catch_up.labels(place, last["label"])
            if place.run_seq < last["run"]:
                yield from self._runs(place, last["run"])
        elif kind == "label":
            yield from self._catch_up.labels(place, seq - 1)
            if seq <= place.label:
                return
            if header["run"] not in (place.run_name, self._lost_start):
                yield from self._start_of(header["run"], place)
            place.label = seq
            yield events.label(header, place.members if place.is_of(header["run"]) else ())
        elif kind == "run" and seq > place.run_seq:
            yield from self._run(header, place)

    def _run(self, header: Mapping[str, Any], place: Place) -> Iterator[Event]:
        phase, seq = header["phase"], header["seq"]
        if phase == "end":
            yield from self._catch_up.labels(place, header["totals"]["label"]["last_seq"])
        if seq > place.run_seq + 1:
            yield from self._runs(place, seq - 1)
        if seq <= place.run_seq:
            return
        place.run_seq = seq
        place.run.hear(seq)
        if phase == "start":
            start = events.run_start(header)
            place.run = Run.begun(start)
            yield start
        elif phase == "settings":
            settings = events.run_settings(header)
            place.run.configs.append((settings.frame, settings.config))
            yield settings
        elif phase == "end":
            end = events.run_end(header)
            yield from self._maps_of(end)
            place.run.ended = True
            yield end

    def _runs(self, place: Place, upto: int) -> Iterator[Event]:
        """Yield start and end of the last run, if they are behind `place`, and what is lost."""
        try:
            snapshot = self._control.snapshot()
        except TimeoutError:
            yield no_run(place, upto)
            return
        start, end = snapshot["run_start"], snapshot["run_end"]
        if start is not None and start["seq"] <= upto:
            yield from self._catch_up.start(place, snapshot)
        if end is not None and snapshot["epoch"] == place.epoch:
            if place.run_seq + 1 < end["seq"] <= upto:
                yield no_run(place, end["seq"] - 1)
            if place.run_seq < end["seq"] <= upto:
                yield from self._run(end, place)
        if place.run_seq < upto:
            yield no_run(place, upto)

    def _start_of(self, run: str, place: Place) -> Iterator[Event]:
        """Yield the start of a run whose label came first, if it can be had."""
        self._lost_start = run
        try:
            snapshot = self._control.snapshot()
        except TimeoutError:
            return
        if (snapshot["run_start"] or {}).get("run") == run:
            yield from self._catch_up.start(place, snapshot)

    def _map(self, header: Mapping[str, Any], payload: list[bytes]) -> Iterator[Event]:
        epoch, seq = header["epoch"], header["seq"]
        last = self._last_map.get(epoch, 0 if self._last_map else seq - 1)
        if seq <= last:
            return
        self._last_map[epoch] = seq
        if seq > last + 1:
            yield Gap("map", epoch, None, last + 1, seq - 1, "no record has them")
        yield events.cam(header, payload)

    def _maps_of(self, end: RunEnd) -> Iterator[Event]:
        """Yield the maps that are to come before the end of their run."""
        upto = end.totals["cam"]["last_seq"]
        if self._early is not None and self._early[0][0]["run"] == end.run:
            (header, payload), _ = self._early
            self._early = None
            yield from self._map(header, payload)
        while self._maps is not None and (last := self._last_map.get(end.epoch, upto)) < upto:
            # One that waits is of a later run.
            if self._early is None and self._maps.poll(round(1000 * _MAPS_S)):
                yield from self._map(*_read(self._maps))
            else:
                self._last_map[end.epoch] = upto
                yield Gap("map", end.epoch, end.run, last + 1, upto, "no record has them")


def _read(socket: Socket) -> Message:
    """Receive the header and the payload of a message."""
    _, *frames = socket.recv_multipart()
    header = cbor2.loads(frames[0]) if frames else None
    if not isinstance(header, dict) or "v" not in header:
        raise StreamError("what came is no message of a senescope daemon")
    if header["v"] != _VERSION:
        raise StreamError(
            f"the daemon speaks version {header['v']} of the messages and this package version "
            f"{_VERSION}; use the same release of both"
        )
    return header, frames[1:]


def _before_run(snapshot: Mapping[str, Any], status: Mapping[str, Any]) -> int:
    """Return the number of the last label before the present run."""
    (edge,) = (edge for edge in status["edges"] if edge["name"] == "publish.label")
    oldest = [header["seq"] - 1 for header in snapshot["labels"]]
    return int(max(0, min([status["last_seq"]["label"] - edge["in"], *oldest])))
