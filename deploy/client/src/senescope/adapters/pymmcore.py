"""Frames from Micro-Manager: each image of a multi-dimensional acquisition, as it is taken.

    core = pymmcore_plus.CMMCorePlus.instance()
    with Pusher() as pusher, AcquisitionPusher(core, pusher, {"DAPI": "TPEF", "BF": "TRANS"}):
        core.mda.run(sequence)

Images with the same indices on all axes but the channel's are one frame.
"""

import logging
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from senescope.ingest import Image, IngestError, Pusher

_LOG = logging.getLogger(__name__)


class AcquisitionPusher:
    """Pushes the images of a core's acquisitions until it is closed.

    `core` is a `pymmcore_plus.CMMCorePlus`. `channels` says which channel of the daemon each
    channel configuration of Micro-Manager is; `""` stands for images without one. Others are not
    pushed.

    An image that cannot be pushed does not stop the acquisition: it is logged and counted in
    `failed`, and `error` says what was wrong with the last. A daemon that does not take images
    holds the acquisition up for the pusher's `timeout_s` at most, an image: give a short one.
    """

    def __init__(self, core: Any, pusher: Pusher, channels: Mapping[str, str]):
        self.pushed = 0
        self.ignored = 0
        self.failed = 0
        self.error: Exception | None = None
        self._pusher = pusher
        self._channels = dict(channels)
        self._frames: dict[tuple[tuple[str, int], ...], int] = {}
        self._events = core.mda.events
        self._events.sequenceStarted.connect(self._begin)
        self._events.frameReady.connect(self._push)

    def __enter__(self) -> "AcquisitionPusher":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Push no more."""
        self._events.sequenceStarted.disconnect(self._begin)
        self._events.frameReady.disconnect(self._push)

    def _begin(self, *_: object) -> None:
        self._frames.clear()
        self._pusher.begin()

    def _push(self, image: Image, event: Any, *_: object) -> None:
        name = self._channels.get(event.channel.config if event.channel else "")
        if name is None:
            self.ignored += 1
            return
        place = tuple(sorted((axis, at) for axis, at in event.index.items() if axis != "c"))
        frame = self._frames.setdefault(place, len(self._frames))
        try:
            self._pusher.push(frame, {name: image})
            self.pushed += 1
        except (IngestError, TypeError, ValueError) as error:
            _LOG.warning("%s of frame %d was not pushed: %s", name, frame, error)
            self.failed += 1
            self.error = error
