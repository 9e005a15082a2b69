"""Frames from Micro-Manager: each image of a multi-dimensional acquisition, as it is taken.

    core = pymmcore_plus.CMMCorePlus.instance()
    with Pusher() as pusher, AcquisitionPusher(core, pusher, {"DAPI": "TPEF", "BF": "TRANS"}):
        core.mda.run(sequence)

Images with the same indices on all axes but the channel's are one frame.
"""

from collections.abc import Mapping
from typing import Any

from senescope.background import FLUSH_S, QUEUE_BYTES, BackgroundPusher
from senescope.ingest import Image, Pusher


class AcquisitionPusher(BackgroundPusher):
    """Pushes the images of a core's acquisitions until it is closed.

    `core` is a `pymmcore_plus.CMMCorePlus`. `channels` says which channel of the daemon each
    channel configuration of Micro-Manager is; `""` stands for images without one. Others are not
    given to the daemon, and counted in `ignored`.

    The acquisition neither waits for the daemon nor is stopped by it: see `BackgroundPusher`.
    """

    def __init__(
        self,
        core: Any,
        pusher: Pusher,
        channels: Mapping[str, str],
        queue_bytes: int = QUEUE_BYTES,
        flush_s: float = FLUSH_S,
    ):
        self.ignored = 0
        self._channels = dict(channels)
        self._frames: dict[tuple[tuple[str, int], ...], int] = {}
        self._events = core.mda.events
        super().__init__(pusher, queue_bytes, flush_s)
        self._events.sequenceStarted.connect(self._started)
        self._events.frameReady.connect(self._take)

    def close(self) -> None:
        """Push what waits, as `BackgroundPusher.close` does, and take no more."""
        if self._events is not None:
            self._events.sequenceStarted.disconnect(self._started)
            self._events.frameReady.disconnect(self._take)
            self._events = None
        super().close()

    def _started(self, *_: object) -> None:
        self._frames.clear()
        self.begin()

    def _take(self, image: Image, event: Any, *_: object) -> None:
        name = self._channels.get(event.channel.config if event.channel else "")
        if name is None:
            self.ignored += 1
            return
        place = tuple(sorted((axis, at) for axis, at in event.index.items() if axis != "c"))
        self.give(self._frames.setdefault(place, len(self._frames)), name, image)
