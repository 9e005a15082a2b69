"""What is given never waits, and is pushed, refused or discarded: nothing else."""

import random
import time
import unittest
from typing import Any

import numpy as np
from fake_daemon import FakeDaemon, ends, fake_daemon

from senescope import BackgroundPusher, IngestError, Pusher

PATIENCE_S = 30.0
PIXELS = 500 * 300
NO_RUN = b'-200,"Execution error;no run is on"\n'
LATE = b'-230,"Data corrupt or stale;late"\n'
DAMAGED = b'-161,"Invalid block data;a record whose checksum is wrong"\n'
HELD_UP = b'-365,"Time out error;no byte came for 10 s"\n'
TOO_FAR = b'-225,"Out of memory;send it again in a moment"\n'
FULL = b'-310,"System error;8 programs are connected already"\n'


def counts(value: int, kind: type[np.unsignedinteger[Any]] = np.uint16) -> "np.ndarray[Any, Any]":
    """Return an image of one value."""
    return np.full((500, 300), value, kind)


def pushed(daemon: FakeDaemon) -> dict[tuple[int, int, int], int]:
    """Return the value of each image that came whole, by run, frame and bit."""
    return {
        (*at, bit): int(image[0, 0])
        for at, images in daemon.frames.items()
        for bit, image in images.items()
        if image[0, 0] >= 0 and (image == image[0, 0]).all()
    }


class BackgroundPusherTest(unittest.TestCase):
    """Against a daemon that is not one."""

    def conserved(self, background: BackgroundPusher, *expected: int) -> None:
        """Check how many were pushed, refused and discarded, and that these were all."""
        parts = (background.pushed, background.failed, background.dropped)
        self.assertEqual(sum(parts), background.given)
        if expected:
            self.assertEqual(parts, expected)

    def until(self, background: BackgroundPusher, images: int) -> None:
        """Wait until so many images are pushed."""
        deadline = time.monotonic() + PATIENCE_S
        while background.pushed < images:
            self.assertLess(time.monotonic(), deadline, "they are not pushed")
            time.sleep(0.01)

    def test_nobody_waits_for_a_daemon_that_holds_the_socket(self) -> None:
        with fake_daemon() as daemon, Pusher(daemon.address, timeout_s=PATIENCE_S) as pusher:
            daemon.free.clear()
            with BackgroundPusher(pusher) as background:
                image = counts(0)
                begun = time.monotonic()
                for frame in range(20):
                    image[:] = frame
                    self.assertTrue(background.give(frame, "SRS", image))
                    # Had it waited for the daemon, it would have been for all of this time.
                    self.assertLess(time.monotonic() - begun, PATIENCE_S)
                self.assertEqual((background.pushed, daemon.frames), (0, {}))
                daemon.free.set()
            self.conserved(background, 20, 0, 0)
            self.assertIsNone(background.error)
            # The camera's buffer was the same each time.
            self.assertEqual(pushed(daemon), {(1, frame, 0): frame for frame in range(20)})

    def test_what_has_no_room_is_discarded_with_the_rest_of_its_frame(self) -> None:
        with fake_daemon() as daemon, Pusher(daemon.address, timeout_s=PATIENCE_S) as pusher:
            daemon.free.clear()
            room = 2 * PIXELS + PIXELS + PIXELS
            with self.assertLogs("senescope", "WARNING") as logged:
                with BackgroundPusher(pusher, queue_bytes=room) as background:
                    for frame, name, kind, fits in (
                        (0, "SRS", np.uint16, True),
                        (0, "TRANS", np.uint8, True),
                        (1, "SRS", np.uint16, False),
                        # There is room for it, but not for its frame.
                        (1, "TRANS", np.uint8, False),
                        (2, "TRANS", np.uint8, True),
                        (3, "TRANS", np.uint8, False),
                    ):
                        given = background.give(frame, name, counts(frame + 1, kind))
                        self.assertEqual(given, fits, (frame, name))
                    daemon.free.set()
                    self.until(background, 3)
                    # What was pushed makes room, but none of a frame that was told to be broken.
                    self.assertFalse(background.give(3, "SRS", counts(4)))
                    self.assertTrue(background.give(4, "SRS", counts(5)))
                    self.assertFalse(background.give(5, "SRS", np.zeros((1, room + 1), np.uint8)))
                    background.begin()
                    self.assertTrue(background.give(3, "SRS", counts(6)))
                self.conserved(background, 5, 0, 5)
            self.assertIn("of 10 images 5 were pushed, 0 refused, 5 discarded", logged.output[-1])
            self.assertEqual(
                pushed(daemon),
                {(1, 0, 0): 1, (1, 0, 2): 1, (1, 2, 2): 3, (1, 4, 0): 5, (2, 3, 0): 6},
            )
            self.assertFalse(background.give(9, "SRS", counts(9)))
            self.conserved(background, 5, 0, 6)

    def test_a_daemon_that_comes_back_gets_what_waited(self) -> None:
        for name in ("gone", "greeting", "always"):
            with fake_daemon() as daemon, Pusher(daemon.address, timeout_s=0.3) as pusher:
                with (
                    self.subTest(name),
                    self.assertLogs("senescope", "WARNING"),
                    BackgroundPusher(pusher, flush_s=PATIENCE_S) as background,
                ):
                    background.give(0, "SRS", counts(1))
                    self.until(background, 1)
                    if name == "gone":
                        # Each push tries twice.
                        daemon.faults = [None] * 8
                    elif name == "greeting":
                        daemon.faults = [HELD_UP]
                        daemon.greeting = FULL
                    else:
                        daemon.always = NO_RUN
                    for frame in range(1, 4):
                        background.give(frame, "SRS", counts(frame + 1))
                    time.sleep(0.6)
                    daemon.greeting, daemon.always = b"", None
                self.conserved(background, 4, 0, 0)
                self.assertIsInstance(background.error, IngestError)
                self.assertEqual(pushed(daemon), {(1, frame, 0): frame + 1 for frame in range(4)})

    def test_what_stays_refused_does_not_hold_up_what_comes_behind(self) -> None:
        with fake_daemon() as daemon, Pusher(daemon.address) as pusher:
            with (
                self.assertLogs("senescope", "WARNING") as logged,
                BackgroundPusher(pusher) as background,
            ):
                background.give(0, "SRS", counts(1))
                self.until(background, 1)
                daemon.faults = [LATE]
                background.give(1, "SRS", counts(2))
                background.give(2, "SRS", counts(4096))
                for frame in range(3, 23):
                    background.give(frame, "SHG", counts(4))
                background.give(23, "SRS", counts(5))
            self.conserved(background, 2, 22, 0)
            self.assertIn("wants SRS, TRANS", str(background.error))
            self.assertIn("last error: the daemon does not want a channel SHG", logged.output[-1])
            # Not one line an image.
            self.assertLess(len(logged.output), 10)
            self.assertEqual(pushed(daemon), {(1, 0, 0): 1, (1, 23, 0): 5})

    def test_closing_ends_and_says_what_was_not_sent(self) -> None:
        with fake_daemon() as daemon, Pusher(daemon.address, timeout_s=0.5) as pusher:
            daemon.silent = True
            background = BackgroundPusher(pusher, flush_s=0.5)
            for frame in range(3):
                background.give(frame, "SRS", counts(frame))
            with self.assertLogs("senescope", "WARNING") as logged:
                self.assertTrue(ends(background.close))
            self.conserved(background, 0, 0, 3)
            self.assertIn(
                "not sent when closed: SRS of frame 0 … SRS of frame 2", logged.output[-2]
            )
            self.assertIn("did not answer within 0.5 s", logged.output[-1])
            background.close()
            self.conserved(background, 0, 0, 3)
            # The pusher is free again.
            daemon.silent = False
            pusher.push(3, {"SRS": counts(3)})

    def test_nothing_is_lost_unseen(self) -> None:
        chance = random.Random(7)
        with fake_daemon() as daemon, Pusher(daemon.address, timeout_s=PATIENCE_S) as pusher:
            daemon.faults = chance.choices((None, DAMAGED, TOO_FAR, LATE), k=40)
            with (
                self.assertLogs("senescope", "WARNING"),
                BackgroundPusher(pusher, 3 * PIXELS, PATIENCE_S) as background,
            ):
                taken = 0
                for frame in range(30):
                    # The second has no room when both have 16 bits.
                    daemon.free.clear()
                    kinds = chance.choices((np.uint8, np.uint16), k=2)
                    taken += background.give(frame, "SRS", counts(1, kinds[0]))
                    taken += background.give(frame, "TRANS", counts(2, kinds[1]))
                    daemon.free.set()
                    deadline = time.monotonic() + PATIENCE_S
                    while background.pushed + background.failed < taken:
                        self.assertLess(time.monotonic(), deadline, "they are neither")
                        time.sleep(0.002)
            self.conserved(background)
            self.assertEqual((background.given, background.dropped), (60, 60 - taken))
            self.assertGreater(min(background.pushed, background.failed, background.dropped), 0)
            self.assertEqual(len(pushed(daemon)), background.pushed)


if __name__ == "__main__":
    unittest.main()
