"""What a pusher does when the daemon takes, refuses, breaks off or says nothing."""

import time
import unittest
from typing import Any

import numpy as np
from fake_daemon import fake_daemon

from senescope import IngestError, Pusher
from senescope.adapters.generator import push_all

RANDOM = np.random.default_rng(7)
TOO_FAR = b'-225,"Out of memory;send it again in a moment"\n'
DAMAGED = b'-161,"Invalid block data;a record whose checksum is wrong"\n'
HELD_UP = b'-365,"Time out error;no byte came for 10 s"\n'


def srs() -> "np.ndarray[Any, Any]":
    """Return an image of 12 bits."""
    return RANDOM.integers(0, 4096, (500, 300), dtype=np.uint16)


class PusherTest(unittest.TestCase):
    """Against a daemon that is not one."""

    def test_images_arrive_as_they_are(self) -> None:
        with fake_daemon() as daemon, Pusher(daemon.address) as pusher:
            scan = pusher.scan()
            self.assertEqual((scan.width, scan.height, scan.pixel_size_um), (300, 500, 0.5))
            self.assertEqual([channel.name for channel in scan.channels], ["SRS", "TRANS"])
            image, trans = srs(), RANDOM.integers(0, 256, (500, 300), dtype=np.uint8)
            pusher.push(3, {"SRS": image, "TRANS": trans})
            # Neither the byte order nor the order in memory matters.
            pusher.push(4, {"SRS": np.asfortranarray(image.astype(">u2"))[::-1, ::-1]})
            np.testing.assert_array_equal(daemon.frames[1, 3][0], image)
            np.testing.assert_array_equal(daemon.frames[1, 3][2], trans)
            np.testing.assert_array_equal(daemon.frames[1, 4][0], image[::-1, ::-1])
            self.assertLessEqual(daemon.largest, 64 * 1024)
            self.assertEqual(daemon.sequences, list(range(15)))
            self.assertEqual((pusher.stats.images, pusher.stats.records), (3, 15))
            pusher.begin()
            self.assertEqual(push_all(pusher, ({"SRS": srs()} for _ in range(3))), 3)
            self.assertEqual(sorted(daemon.frames), [(1, 3), (1, 4), (2, 0), (2, 1), (2, 2)])

    def test_what_is_refused_for_now_is_sent_again(self) -> None:
        with fake_daemon() as daemon, Pusher(daemon.address) as pusher:
            daemon.faults = [TOO_FAR] * 13
            image = srs()
            pusher.push(0, {"SRS": image})
            np.testing.assert_array_equal(daemon.frames[1, 0][0], image)
            self.assertEqual((pusher.stats.records, pusher.stats.repeated), (18, 13))
            self.assertEqual(pusher.stats.connections, 1)

    def test_a_broken_connection_is_made_again_once(self) -> None:
        for fault in (None, DAMAGED, HELD_UP):
            with fake_daemon() as daemon, Pusher(daemon.address) as pusher:
                daemon.faults = [TOO_FAR, fault]
                image = srs()
                pusher.push(0, {"SRS": image})
                np.testing.assert_array_equal(daemon.frames[1, 0][0], image)
                self.assertEqual(pusher.stats.connections, 2)
                daemon.faults = [fault, fault]
                with self.assertRaisesRegex(IngestError, "no connection to the daemon"):
                    pusher.push(1, {"SRS": image})
                # The same call may be repeated.
                pusher.push(1, {"SRS": image})

    def test_no_call_takes_longer_than_it_may(self) -> None:
        def fails(pusher: Pusher, message: str) -> IngestError:
            begun = time.monotonic()
            with self.assertRaisesRegex(IngestError, message) as raised:
                pusher.push(0, {"SRS": srs()})
            self.assertLess(time.monotonic() - begun, 20)
            self.assertTrue(raised.exception.again)
            return raised.exception

        with fake_daemon() as daemon, Pusher(daemon.address, timeout_s=0.5) as pusher:
            daemon.always = b'-200,"Execution error;no run is on"\n'
            self.assertEqual(fails(pusher, "no run is on.*tried for 0.5 s").number, -200)
            pusher.close()
            daemon.silent = True
            fails(pusher, "did not answer within 0.5 s")
        fails(pusher, "no connection to the daemon at 127.0.0.1")

    def test_what_stays_refused_is_told(self) -> None:
        with fake_daemon() as daemon, Pusher(daemon.address) as pusher:
            daemon.always = b'-221,"Settings conflict;it has ""9"" rows"\n'
            with self.assertRaisesRegex(IngestError, 'it has "9" rows') as raised:
                pusher.push(0, {"SRS": srs()})
            self.assertEqual((raised.exception.number, raised.exception.again), (-221, False))
            daemon.always = b"hello\n"
            with self.assertRaisesRegex(IngestError, "hello"):
                pusher.push(0, {"SRS": srs()})
            pusher.close()
            daemon.greeting = b'-310,"System error;8 programs are connected already"\n'
            with self.assertRaisesRegex(IngestError, "8 programs"):
                pusher.push(0, {"SRS": srs()})

    def test_images_that_cannot_be_pushed_are_named(self) -> None:
        with fake_daemon() as daemon, Pusher(daemon.address) as pusher:
            wrong: list[tuple[type[Exception], str, dict[str, Any]]] = [
                (TypeError, "SRS has samples of float64", {"SRS": np.zeros((500, 300))}),
                (TypeError, "int16", {"SRS": np.zeros((500, 300), np.int16)}),
                (ValueError, "500 rows × 300 columns", {"SRS": srs().T}),
                (ValueError, "sample of 4096.*12 bits", {"SRS": srs() // 4096 + np.uint16(4096)}),
                (IngestError, "wants SRS, TRANS", {"SHG": srs()}),
            ]
            for kind, message, images in wrong:
                with self.assertRaisesRegex(kind, message):
                    pusher.push(0, images)
            pusher.push(0, {"SRS": srs()})
            with self.assertRaisesRegex(ValueError, "SRS of frame 0 was pushed already"):
                pusher.push(0, {"SRS": srs()})
            for number in (-1, 1 << 32):
                with self.assertRaisesRegex(ValueError, "count from 0"):
                    pusher.push(number, {"SRS": srs()})
        with self.assertRaisesRegex(ValueError, "host:port"):
            Pusher("localhost")


if __name__ == "__main__":
    unittest.main()
