"""Pushes images from where nothing may wait: a camera's callback, the events of an acquisition.

    with Pusher() as pusher, BackgroundPusher(pusher) as background:
        background.give(0, "SRS", srs)

Images are put into a queue, from which a thread pushes them.
"""

import collections
import logging
import threading
import time
from types import TracebackType
from typing import NamedTuple, TypeVar

from senescope.ingest import Image, IngestError, Pusher

_LOG = logging.getLogger(__name__)
_Self = TypeVar("_Self", bound="BackgroundPusher")

QUEUE_BYTES = 256 << 20
FLUSH_S = 10.0
# How long a daemon that took nothing is left alone, and how often losses are logged.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 1.0
_LOG_EVERY_S = 10.0
# Frames of which something was discarded, and nothing more is taken.
_REMEMBERED = 1024


class _Waiting(NamedTuple):
    session: int
    frame: int
    name: str
    image: Image


class BackgroundPusher:
    """Takes images at once, and pushes them in the same order from a thread of its own.

    Nobody else may use `pusher` before this is closed.

    Images that wait, and the one on its way, take at most `queue_bytes` (256 MiB). An image that
    has no room is discarded, and so is what is given later of its frame: a frame with a channel
    missing is never whole, and its other channels would take the room of a frame that can be. The
    daemon tells what it has of such a frame as a gap.

    A daemon that is gone, has no run, or says nothing is tried again, with pauses of up to 1 s,
    and then gets all that waited, in order. What it refuses for good is not.

    Nothing of this raises: what is recorded is worth more than what is pushed. After `close`,
    `given` = `pushed` + `failed` + `dropped`, in images: taken by the daemon, refused, and
    discarded. `error` is what went wrong last. Losses are logged as warnings, every 10 s at most,
    and once more by `close`.
    """

    def __init__(self, pusher: Pusher, queue_bytes: int = QUEUE_BYTES, flush_s: float = FLUSH_S):
        self.given = 0
        self.pushed = 0
        self.failed = 0
        self.dropped = 0
        self.error: Exception | None = None
        self._pusher = pusher
        self._room = queue_bytes
        self._flush_s = flush_s
        self._session = 0
        self._broken: collections.deque[int] = collections.deque(maxlen=_REMEMBERED)
        self._queue: collections.deque[_Waiting] = collections.deque()
        # After this instant no push begins; there is none before `close`.
        self._until: float | None = None
        # Guards all of the above. It is never held while something is waited for or logged.
        self._changed = threading.Condition()
        self._unlogged = False
        self._log_at = time.monotonic()
        # A thread that does not keep a script from ending when nobody closes this.
        self._thread = threading.Thread(target=self._work, name="senescope-push", daemon=True)
        self._thread.start()

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def begin(self) -> None:
        """Begin anew, with frames numbered from 0, once all that waits is pushed."""
        with self._changed:
            self._session += 1
            self._broken.clear()

    def give(self, frame: int, name: str, image: Image) -> bool:
        """Take an image for channel `name` of a frame, and return whether there was room for it.

        It is an array as in `Pusher.push`. It is copied: cameras use their buffers again, whoever
        is called next with the same array may change it, and a part of a larger array would keep
        all of that in memory.
        """
        with self._changed:
            broken = frame in self._broken
            taken = image.nbytes <= self._room and not broken and self._until is None
            if taken:
                self._queue.append(_Waiting(self._session, frame, name, image.copy()))
                self._room -= image.nbytes
                self._changed.notify()
            else:
                self.dropped += 1
                self._unlogged = True
                if not broken:
                    self._broken.append(frame)
            self.given += 1
            return taken

    def close(self) -> None:
        """Push what waits, and take no more.

        No push begins later than `flush_s` from now, so that this takes at most that, the
        `timeout_s` of the pusher and 1 s. What was not pushed by then is discarded, and named in
        the log.
        """
        with self._changed:
            if self._until is not None:
                return
            self._until = time.monotonic() + self._flush_s
            self._changed.notify()
        self._thread.join()
        rest = [f"{waiting.name} of frame {waiting.frame}" for waiting in self._queue]
        self._queue.clear()
        self.dropped += len(rest)
        if rest:
            _LOG.warning("not sent when closed: %s", " … ".join(dict.fromkeys((rest[0], rest[-1]))))
        if self.failed or self.dropped:
            self._log()

    def _work(self) -> None:
        session, pause_s = 0, _FIRST_PAUSE_S
        while True:
            # Not from `give`: also a log can make its caller wait.
            if self._unlogged and time.monotonic() >= self._log_at:
                self._log()
            with self._changed:
                self._changed.wait_for(
                    lambda: self._queue or self._until is not None, timeout=_LOG_EVERY_S
                )
                if self._until is not None and (not self._queue or time.monotonic() >= self._until):
                    return
                if not self._queue:
                    continue
                waiting = self._queue[0]
            if waiting.session != session:
                session = waiting.session
                self._pusher.begin()
            error: Exception | None = None
            try:
                self._pusher.push(waiting.frame, {waiting.name: waiting.image})
            except Exception as raised:
                # Whatever it is, the images behind it are to be pushed.
                error = self.error = raised
                self._unlogged = True
                if isinstance(raised, IngestError) and raised.again:
                    time.sleep(pause_s)
                    pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                    continue
            pause_s = _FIRST_PAUSE_S
            with self._changed:
                self._queue.popleft()
                self._room += waiting.image.nbytes
                self.pushed += error is None
                self.failed += error is not None

    def _log(self) -> None:
        self._unlogged = False
        self._log_at = time.monotonic() + _LOG_EVERY_S
        _LOG.warning(
            "of %d images %d were pushed, %d refused, %d discarded, %d wait; last error: %s",
            *(self.given, self.pushed, self.failed, self.dropped, len(self._queue), self.error),
        )
