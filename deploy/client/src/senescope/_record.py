"""Labels once more: what the daemon's record and its snapshot have of those that did not arrive."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from senescope import events
from senescope.control import Control, Refused
from senescope.events import Gap, Label, RunStart

# How often a record that is not far enough is asked again.
_PAUSE_S = 0.2


@dataclass
class Run:
    """What is known of the present or last run of an epoch."""

    start: RunStart | None = None
    # Digests of the settings, each with the first frame that they are in force for.
    configs: list[tuple[int, str]] = field(default_factory=list)
    # The last `run` message up to which none since its start is missing.
    whole_to: int = 0
    ended: bool = False

    @classmethod
    def begun(cls, start: RunStart) -> "Run":
        """Return the run that begins so."""
        return cls(start, [(0, start.config)], start.seq)

    def hear(self, seq: int) -> None:
        """Take note of the number of a `run` message."""
        if seq == self.whole_to + 1:
            self.whole_to = seq

    def config(self, frame: int, last_seq: int) -> str | None:
        """Return the settings' digest for a frame; `None` when a change may have been missed."""
        if self.whole_to < last_seq:
            return None
        return next(config for first, config in reversed(self.configs) if first <= frame)


@dataclass
class Place:
    """How far a subscriber has come in an epoch: the last number that it was given of each kind."""

    epoch: str
    label: int = 0
    run_seq: int = 0
    run: Run = field(default_factory=Run)

    @property
    def members(self) -> tuple[str, ...]:
        """The names of the members."""
        return self.run.start.members if self.run.start else ()

    @property
    def run_name(self) -> str | None:
        """The run, if its start is known."""
        return self.run.start.run if self.run.start else None

    def is_of(self, run: str | None) -> bool:
        """Whether `run` is the one whose start is known."""
        return self.run_name == run


class CatchUp:
    """Fetches what is missing before a number, in order, and tells what is not to be had."""

    def __init__(self, control: Control, recovery_s: float):
        self._control = control
        self._recovery_s = recovery_s
        # A run whose record did not come far enough once is not waited for again.
        self._stalled: str | None = None

    def labels(self, place: Place, upto: int) -> Iterator[RunStart | Label | Gap]:
        """Yield every label behind `place`, to `upto` and as far as more is there."""
        until = time.monotonic() + self._recovery_s
        while place.label < upto:
            try:
                yield from self._some(place, upto, until)
            except TimeoutError as error:
                if time.monotonic() > until:
                    yield self._missing(place, upto, str(error))

    def start(self, place: Place, snapshot: Mapping[str, Any]) -> Iterator[RunStart | Gap]:
        """Yield the start of a run that is not known yet, from a snapshot."""
        header = snapshot["run_start"]
        if header is None or snapshot["epoch"] != place.epoch or header["seq"] <= place.run_seq:
            return
        if header["seq"] > place.run_seq + 1:
            yield no_run(place, header["seq"] - 1)
        start = events.run_start(header)
        place.run, place.run_seq = Run.begun(start), start.seq
        yield start

    def _some(self, place: Place, upto: int, until: float) -> Iterator[RunStart | Label | Gap]:
        """Yield a page of the record, what the snapshot has behind it, or a gap; or wait."""
        snapshot = self._control.snapshot()
        if snapshot["epoch"] != place.epoch:
            yield self._missing(place, upto, "the daemon was restarted")
            return
        there = {header["seq"]: header for header in snapshot["labels"]}
        lines, is_recorded, why = self._page(place.label)
        now = self._control.status()
        if now["epoch"] != place.epoch or now["last_seq"]["run"] != snapshot["last_seq"]["run"]:
            return  # Whose record that was is not known.
        yield from self.start(place, snapshot)
        recorded_to = lines[-1]["seq"] if lines else 0
        for line in lines:
            there.setdefault(line["seq"], line)
        numbers = sorted(number for number in there if number > place.label)
        for number in numbers:
            if number > place.label + 1:
                if place.label >= upto:
                    return
                if is_recorded and number > recorded_to:
                    break  # The record will have it yet.
                yield self._missing(place, min(number - 1, upto), why)
                if place.label + 1 < number:
                    return
            place.label = number
            yield self._label(place, there[number], snapshot)
        if place.label >= upto or recorded_to > 0:
            return
        if is_recorded and self._stalled != place.run_name and time.monotonic() < until:
            time.sleep(_PAUSE_S)
        else:
            if is_recorded:
                self._stalled = place.run_name
            ahead = [number for number in numbers if number > place.label]
            yield self._missing(place, min([upto + 1, *ahead]) - 1, why)

    def _page(self, seq: int) -> tuple[list[dict[str, Any]], bool, str]:
        """Return lines of the record, whether there is one, and why there are no others."""
        try:
            return self._control.since(seq)[0], True, "the record does not have them"
        except Refused as refusal:
            return [], False, str(refusal)

    def _label(self, place: Place, header: Mapping[str, Any], snapshot: Mapping[str, Any]) -> Label:
        if "epoch" in header:
            return events.label(header, place.members if place.is_of(header["run"]) else ())
        # A line of the record, which is that of the run of the snapshot.
        start = snapshot["run_start"]
        return events.label(
            header,
            start["members"],
            epoch=place.epoch,
            run=start["run"],
            model=start["model"],
            config=place.run.config(header["frame"], snapshot["last_seq"]["run"])
            if place.is_of(start["run"])
            else None,
        )

    def _missing(self, place: Place, last: int, why: str) -> Gap:
        gap = Gap("label", place.epoch, None, place.label + 1, last, why)
        place.label = last
        return gap


def no_run(place: Place, last: int) -> Gap:
    """Return that `run` messages to this number are not to be had."""
    gap = Gap("run", place.epoch, None, place.run_seq + 1, last, "no record has them")
    place.run_seq = last
    return gap
