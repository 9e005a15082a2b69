"""What a subscriber gets, as types.

Positions are pixels of the frame, origin top left. Numbers (`seq`) count the messages of one kind
in one `epoch`, which is one start of the daemon. What was not measured is `None`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class RunStart:
    """A run begins, or was found to be on. `header` is the whole message."""

    seq: int
    epoch: str
    run: str
    model: str
    config: str
    classes: tuple[str, ...]
    members: tuple[str, ...]
    pixel_size_um: float
    width: int
    height: int
    header: Mapping[str, Any] = dataclasses.field(repr=False)


@dataclass(frozen=True)
class RunSettings:
    """From `frame` on, settings differ from those at the run's start by `changed`."""

    seq: int
    epoch: str
    run: str
    config: str
    frame: int
    changed: Mapping[str, Any]


@dataclass(frozen=True)
class RunEnd:
    """Nothing of the run follows. `header` is the whole message."""

    seq: int
    epoch: str
    run: str
    finish: str
    detail: str | None
    totals: Mapping[str, Mapping[str, int]]
    header: Mapping[str, Any] = dataclasses.field(repr=False)


@dataclass(frozen=True)
class Label:
    """The verdict on one cell.

    `p_senescent` is calibrated; `p_raw` is the mean of the `members` before that, each by its name.
    `ood` is the distance from the training set, outside of which it is above 1. `set` tells which
    classes are possible: proliferating, senescent. `engine` is what computed the networks.
    """

    seq: int
    epoch: str
    run: str
    frame: int
    field: int
    cell: int
    bbox: tuple[int, int, int, int]
    centroid_um: tuple[float, float]
    area_um2: float
    outline: tuple[tuple[int, int], ...] = dataclasses.field(repr=False)
    p_senescent: float
    p_raw: float
    members: Mapping[str, float] = dataclasses.field(repr=False)
    spread: float
    entropy: float
    mutual_information: float
    ood: float | None
    set: tuple[bool, bool]
    label: str
    abstain: bool
    flags: tuple[str, ...]
    engine: str
    latency_ns: Mapping[str, int] = dataclasses.field(repr=False)
    source_file: str | None
    source_index: int | None
    model: str | None
    config: str | None


@dataclass(frozen=True, eq=False)
class Map:
    """The Grad-CAM map of the cell of label `label_seq`.

    `member` is `mean`, `spread`, or a member's name. `bbox` (x, y, width, height) may reach beyond
    the frame; `values`, rows × columns, span it. `range` is that of the values before they were
    scaled to [0, 1].
    """

    seq: int
    epoch: str
    run: str
    label_seq: int
    frame: int
    field: int
    cell: int
    member: str
    of_class: str
    bbox: tuple[float, float, float, float]
    range: tuple[float, float]
    values: npt.NDArray[np.float32] = dataclasses.field(repr=False)


@dataclass(frozen=True)
class Gap:
    """Messages with the numbers `first` to `last` were published, and cannot be had any more.

    `last` is `None` when the daemon was restarted and nobody knows how far it had come in `run`;
    maps and the end of that run are missing then, too. Otherwise of which run they are is not said.
    """

    kind: Literal["label", "map", "run"]
    epoch: str
    run: str | None
    first: int
    last: int | None
    why: str


Event = RunStart | RunSettings | RunEnd | Label | Map | Gap


# What a label has in common with its message.
_LABEL = (
    *("seq", "frame", "field", "cell", "area_um2", "spread", "entropy", "mutual_information"),
    *("ood", "label", "abstain", "engine", "latency_ns"),
)


def run_start(header: Mapping[str, Any]) -> RunStart:
    """Return a header as the event that it tells of."""
    return RunStart(
        seq=header["seq"],
        epoch=header["epoch"],
        run=header["run"],
        model=header["model"],
        config=header["config"],
        classes=tuple(header["classes"]),
        members=tuple(header["members"]),
        pixel_size_um=header["pixel_size_um"],
        width=header["scan"]["width"],
        height=header["scan"]["height"],
        header=header,
    )


def run_settings(header: Mapping[str, Any]) -> RunSettings:
    """Return a header as the event that it tells of."""
    names = ("seq", "epoch", "run", "config", "frame", "changed")
    return RunSettings(**{name: header[name] for name in names})


def run_end(header: Mapping[str, Any]) -> RunEnd:
    """Return a header as the event that it tells of."""
    names = ("seq", "epoch", "run", "finish", "detail", "totals")
    return RunEnd(**{name: header[name] for name in names}, header=header)


def label(header: Mapping[str, Any], members: Sequence[str], **origin: str | None) -> Label:
    """Return a header, or a line of a record with its `origin`, as the event that it tells of."""
    # When the start of the run was lost, members are known by their places.
    members = members or [str(place) for place in range(len(header["members"]))]
    x, y, width, height = header["bbox"]
    source = header["source"] or {}
    whole: dict[str, Any] = {name: header[name] for name in _LABEL}
    whole |= origin or {name: header[name] for name in ("epoch", "run", "model", "config")}
    return Label(
        bbox=(x, y, width, height),
        centroid_um=(header["centroid_um"][0], header["centroid_um"][1]),
        outline=tuple((x, y) for x, y in header["outline"]),
        p_senescent=header["p"][1],
        p_raw=header["p_raw"][1],
        members={name: both[1] for name, both in zip(members, header["members"], strict=True)},
        set=(header["set"][0], header["set"][1]),
        flags=tuple(name for name, is_set in header["flags"].items() if is_set),
        source_file=source.get("file"),
        source_index=source.get("index"),
        **whole,
    )


def cam(header: Mapping[str, Any], payload: Sequence[bytes]) -> Map:
    """Return a header with its payload as the event that it tells of."""
    x, y, width, height = header["bbox"]
    if header["enc"] != "raw":
        raise ValueError(f"a map is packed as {header['enc']!r}, which this version does not know")
    values = np.frombuffer(payload[0], header["dtype"]).reshape(header["shape"])
    names = ("seq", "epoch", "run", "label_seq", "frame", "field", "cell", "member")
    return Map(
        **{name: header[name] for name in names},
        of_class=header["class"],
        bbox=(x, y, width, height),
        range=(header["range"][0], header["range"][1]),
        values=values.astype(np.float32, copy=False),
    )
