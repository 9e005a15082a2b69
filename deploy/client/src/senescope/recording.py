"""Reads the labels of a recording, as a subscriber would have had them."""

import json
import logging
import os
import pathlib
import zlib
from collections.abc import Iterator
from typing import Any

from senescope import events
from senescope.events import Label

_LOG = logging.getLogger(__name__)


def read_labels(folder: "str | os.PathLike[str]") -> Iterator[Label]:
    """Yield the labels of the recording in `folder`, in order.

    Lines that are damaged are passed over, and their number is logged as a warning. A recording
    does not tell the epoch, which is empty. Settings that changed are those of the line of a frame;
    without it nobody knows of a change.
    """
    folder = pathlib.Path(folder)
    run = json.loads((folder / "run.json").read_bytes())
    context, configs = run["context"], {}
    for line in _lines(folder / "frames.ndjson"):
        if settings := line.get("settings"):
            configs[line["frame"]] = settings["config"]
    for line in _lines(folder / "labels.ndjson"):
        yield events.label(
            line,
            run["start"]["members"],
            epoch="",
            run=run["run"],
            model=context["model"],
            config=configs.get(line["frame"], context["config"]),
        )


def _lines(path: pathlib.Path) -> Iterator[dict[str, Any]]:
    """Yield the lines whose checksum is right."""
    damaged = 0
    with path.open("rb") as file:
        for line in file:
            body, mark, checksum = line.rpartition(b',"crc32":"')
            if mark and checksum == b'%08x"}\n' % zlib.crc32(body):
                yield json.loads(body + b"}")
            else:
                damaged += 1
    if damaged:
        _LOG.warning("%d damaged lines of %s are passed over", damaged, path)
