"""Talks to a running senescope daemon.

Each name is imported when it is first used: pushing images needs no ZeroMQ.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from senescope.background import BackgroundPusher
    from senescope.control import Control, Refused
    from senescope.dataframe import to_dataframe
    from senescope.events import Event, Gap, Label, Map, RunEnd, RunSettings, RunStart
    from senescope.ingest import Channel, IngestError, Pusher, Scan, Stats
    from senescope.keys import Keys
    from senescope.recording import read_labels
    from senescope.subscriber import StreamError, Subscriber

_PLACES = {
    "background": ("BackgroundPusher",),
    "control": ("Control", "Refused"),
    "dataframe": ("to_dataframe",),
    "events": ("Event", "Gap", "Label", "Map", "RunEnd", "RunSettings", "RunStart"),
    "ingest": ("Channel", "IngestError", "Pusher", "Scan", "Stats"),
    "keys": ("Keys",),
    "recording": ("read_labels",),
    "subscriber": ("StreamError", "Subscriber"),
}

__all__ = [
    "BackgroundPusher",
    "Channel",
    "Control",
    "Event",
    "Gap",
    "IngestError",
    "Keys",
    "Label",
    "Map",
    "Pusher",
    "Refused",
    "RunEnd",
    "RunSettings",
    "RunStart",
    "Scan",
    "Stats",
    "StreamError",
    "Subscriber",
    "read_labels",
    "to_dataframe",
]


def __getattr__(name: str) -> object:
    for module, names in _PLACES.items():
        if name in names:
            return getattr(import_module(f"senescope.{module}"), name)
    raise AttributeError(f"module 'senescope' has no attribute {name!r}")
