"""Images of acquisitions, from a core that is not one, and from Micro-Manager when it is there."""

import importlib
import time
import types
import unittest
from collections.abc import Callable
from typing import Any

import numpy as np
from fake_daemon import SCAN, ends, fake_daemon

from senescope import Pusher
from senescope.adapters.pymmcore import AcquisitionPusher

HEIGHT, WIDTH = 500, 300


class Signal:
    """Calls who is connected."""

    def __init__(self) -> None:
        self.slots: list[Callable[..., object]] = []

    def connect(self, slot: Callable[..., object]) -> None:
        self.slots.append(slot)

    def disconnect(self, slot: Callable[..., object]) -> None:
        self.slots.remove(slot)

    def emit(self, *values: object) -> None:
        for slot in self.slots:
            slot(*values)


def event(channel: str | None, **index: int) -> types.SimpleNamespace:
    """Return what useq's MDAEvent has of an image."""
    named = None if channel is None else types.SimpleNamespace(config=channel)
    return types.SimpleNamespace(channel=named, index=index)


class AcquisitionPusherTest(unittest.TestCase):
    """Both cores have the same signals."""

    def test_channels_of_a_place_become_a_frame(self) -> None:
        events = types.SimpleNamespace(sequenceStarted=Signal(), frameReady=Signal())
        core = types.SimpleNamespace(mda=types.SimpleNamespace(events=events))
        image = np.ones((HEIGHT, WIDTH), np.uint8)
        with (
            fake_daemon() as daemon,
            Pusher(daemon.address) as pusher,
            AcquisitionPusher(core, pusher, {"Raman": "SRS", "": "TRANS"}) as acquisition,
        ):
            for _ in range(2):
                events.sequenceStarted.emit(object(), {})
                # The channel is the slowest axis.
                for t in range(3):
                    events.frameReady.emit(t * image, event("Raman", t=t, c=0), {})
                for t in range(3):
                    events.frameReady.emit(image, event(None, t=t, c=1), {})
                events.frameReady.emit(image, event("DAPI", t=0, c=2), {})
        self.assertEqual(events.frameReady.slots, [])
        self.assertEqual(
            (acquisition.given, acquisition.pushed, acquisition.ignored, acquisition.error),
            (12, 12, 2, None),
        )
        self.assertEqual(sorted(daemon.frames), [(r, t) for r in (2, 3) for t in range(3)])
        for (_, t), channels in daemon.frames.items():
            self.assertTrue((channels[0] == t).all() and (channels[2] == 1).all())

    def test_the_acquisition_does_not_wait_for_a_daemon_that_says_nothing(self) -> None:
        events = types.SimpleNamespace(sequenceStarted=Signal(), frameReady=Signal())
        core = types.SimpleNamespace(mda=types.SimpleNamespace(events=events))
        images = 10
        with fake_daemon() as daemon, Pusher(daemon.address, timeout_s=2) as pusher:
            daemon.silent = True
            acquisition = AcquisitionPusher(core, pusher, {"Raman": "SRS"}, flush_s=0)
            events.sequenceStarted.emit(object(), {})
            begun = time.monotonic()
            for t in range(images):
                image = np.zeros((HEIGHT, WIDTH), np.uint8)
                events.frameReady.emit(image, event("Raman", t=t), {})
            self.assertLess(time.monotonic() - begun, 2)
            with self.assertLogs("senescope", "WARNING"):
                self.assertTrue(ends(acquisition.close))
            acquisition.close()
        self.assertEqual(
            (acquisition.given, acquisition.pushed, acquisition.failed, acquisition.dropped),
            (images, 0, 0, images),
        )
        self.assertEqual((events.sequenceStarted.slots, events.frameReady.slots), ([], []))

    def test_micro_manager_with_its_demo_camera(self) -> None:
        try:
            core: Any = importlib.import_module("pymmcore_plus").CMMCorePlus()
            useq: Any = importlib.import_module("useq")
            core.loadSystemConfiguration()
        except Exception as error:
            self.skipTest(f"pymmcore-plus with a demo configuration is not here: {error!r}")
        core.setProperty("Camera", "OnCameraCCDXSize", str(WIDTH))
        core.setProperty("Camera", "OnCameraCCDYSize", str(HEIGHT))
        core.setProperty("Camera", "PixelType", "8bit")
        self.assertEqual((SCAN["width"], SCAN["height"]), (WIDTH, HEIGHT))
        sequence = useq.MDASequence(
            channels=["DAPI", "FITC", "Cy5"],
            time_plan={"interval": 0, "loops": 3},
        )
        taken: list[np.ndarray[Any, Any]] = []
        with (
            fake_daemon() as daemon,
            Pusher(daemon.address) as pusher,
            AcquisitionPusher(core, pusher, {"DAPI": "SRS", "Cy5": "TRANS"}) as acquisition,
        ):
            core.mda.events.frameReady.connect(lambda image, *_: taken.append(image.copy()))
            core.mda.run(sequence)
        self.assertEqual(
            (acquisition.given, acquisition.pushed, acquisition.ignored, acquisition.error),
            (6, 6, 3, None),
        )
        self.assertEqual(sorted(daemon.frames), [(2, 0), (2, 1), (2, 2)])
        for t in range(3):
            np.testing.assert_array_equal(daemon.frames[2, t][0], taken[3 * t])
            np.testing.assert_array_equal(daemon.frames[2, t][2], taken[3 * t + 2])


if __name__ == "__main__":
    unittest.main()
