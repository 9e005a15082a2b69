"""What a subscriber yields when messages are lost, come twice, or are of another daemon."""

import itertools
import logging
import threading
import time
import unittest
import unittest.mock
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import zmq
from fake_daemon import ends
from fake_stream import FakeStream

from senescope import (
    Control,
    Event,
    Gap,
    Label,
    Map,
    Refused,
    RunEnd,
    RunSettings,
    RunStart,
    Subscriber,
)
from senescope.keys import connect


def setUpModule() -> None:
    """Keep quiet about what is lost on purpose."""
    logging.disable(logging.WARNING)


def tearDownModule() -> None:
    """Tell again."""
    logging.disable(logging.NOTSET)


def subscriber(stream: FakeStream, **options: Any) -> Subscriber:
    """Return a subscriber to the fake."""
    labels, maps, control = stream.endpoints
    return Subscriber(labels, maps, control, **options)


def secured(kind: int) -> tuple["zmq.Socket[bytes]", int]:
    """Return a socket that only those with keys can talk with, and its port."""
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(kind)
    socket.linger = 0
    socket.curve_secretkey, socket.curve_server = zmq.curve_keypair()[1], True
    return socket, socket.bind_to_random_port("tcp://127.0.0.1")


def read(subscriber: Subscriber, count: int) -> list[Event]:
    """Return the next events."""
    events: list[Event] = []
    assert ends(lambda: events.extend(itertools.islice(subscriber.events(), count))), events
    return events


def brief(events: list[Event]) -> list[str]:
    """Return events in few words."""
    words = []
    for event in events:
        if isinstance(event, Gap):
            words.append(f"no {event.kind} {event.first}-{event.last}")
        elif isinstance(event, Map):
            words.append(f"map {event.seq} of {event.label_seq}")
        elif isinstance(event, Label):
            words.append(f"label {event.seq}")
        else:
            words.append(type(event).__name__)
    return words


def numbers(first: int, last: int) -> list[str]:
    """Return labels in few words."""
    return [f"label {number}" for number in range(first, last + 1)]


class SubscriberTest(unittest.TestCase):
    """Against a daemon that is not one."""

    @contextmanager
    def joined(self, *, recorded: bool, **options: Any) -> Iterator[tuple[FakeStream, Subscriber]]:
        """Give a daemon with a run whose first label this subscriber has."""
        with FakeStream() as stream, subscriber(stream, **options) as joined:
            stream.start(recorded=recorded)
            stream.label()
            self.says(joined, "RunStart", "label 1")
            stream.await_maps()
            yield stream, joined

    def says(self, subscriber: Subscriber, *words: str) -> None:
        self.assertEqual(brief(read(subscriber, len(words))), list(words))

    def test_messages_are_what_was_published(self) -> None:
        with FakeStream() as stream, subscriber(stream) as joined:
            run = stream.start(recorded=False)
            stream.label(frame=2)
            start, label = read(joined, 2)
            stream.await_maps()
            stream.cam()
            stream.end()
            cam, end = read(joined, 2)
            assert isinstance(start, RunStart) and isinstance(label, Label)
            assert isinstance(cam, Map) and isinstance(end, RunEnd)
            self.assertEqual({start.run, label.run, cam.run, end.run}, {run})
            self.assertEqual((start.width, start.height, start.pixel_size_um), (512, 512, 0.4))
            self.assertEqual((label.frame, label.cell, label.bbox), (2, 5, (10, 20, 2, 3)))
            self.assertEqual((label.p_senescent, label.p_raw, label.ood), (0.875, 0.75, None))
            self.assertEqual(label.members, {"efficientnet-lite0": 0.75})
            self.assertEqual((label.flags, label.label), (("saturated",), "senescent"))
            self.assertEqual((label.model, label.config), ("m0", "c0"))
            self.assertEqual(
                (label.source_file, label.source_index), ("/data/scan/0003.ome.tif", 2)
            )
            self.assertEqual((cam.label_seq, cam.member, cam.bbox[0]), (1, "mean", -1.5))
            np.testing.assert_array_equal(cam.values, np.ones((4, 4), np.float32))
            self.assertEqual((end.finish, end.totals["label"]["last_seq"]), ("completed", 1))

    def test_who_joins_late_has_the_run_from_its_beginning(self) -> None:
        for recorded in (True, False):
            with FakeStream() as stream:
                stream.start(recorded=False)
                stream.label()
                stream.end()
                stream.start(recorded=recorded)
                for _ in range(11):
                    stream.label()
                with subscriber(stream) as joined:
                    whole = [] if recorded else ["no label 2-8"]
                    self.says(joined, "RunStart", *whole, *numbers(2 if recorded else 9, 12))
                    stream.label()
                    self.says(joined, "label 13")
                with subscriber(stream, history=False) as joined:
                    self.says(joined, "RunStart")
                    stream.label()
                    self.says(joined, "label 14")

    def test_between_runs_there_is_nothing_to_join(self) -> None:
        with FakeStream() as stream:
            stream.start(recorded=True)
            stream.label()
            stream.end()
            with subscriber(stream) as joined:
                threading.Timer(0.3, lambda: (stream.start(recorded=True), stream.label())).start()
                self.says(joined, "RunStart", "label 2")

    def test_a_label_that_comes_twice_is_yielded_once(self) -> None:
        with self.joined(recorded=True) as (stream, joined):
            stream.label()
            stream.again()
            stream.label()
            self.says(joined, *numbers(2, 3))

    def test_what_was_lost_is_fetched_in_its_order(self) -> None:
        with self.joined(recorded=True) as (stream, joined):
            for _ in range(9):
                stream.label(lost=True)
            stream.label()
            self.says(joined, *numbers(2, 11))
            # With nothing behind it, the sign of life tells; with the end of the run, its totals.
            stream.label(lost=True)
            self.says(joined, "label 12")
            with stream.lock:
                stream.label(lost=True)
                stream.end()
            self.says(joined, "label 13", "RunEnd")
            self.assertEqual(joined.missed, {})

    def test_what_no_record_has_is_a_gap(self) -> None:
        with self.joined(recorded=False) as (stream, joined):
            for _ in range(9):
                stream.label(lost=True)
            stream.label()
            self.says(joined, "no label 2-7", *numbers(8, 11))
            self.assertEqual(joined.missed, {"label": 6})

    def test_a_line_that_is_damaged_is_a_gap(self) -> None:
        with self.joined(recorded=True) as (stream, joined):
            for number in range(2, 12):
                stream.label(lost=True, recorded=number not in (4, 5, 7))
            stream.label()
            gaps = ("no label 4-5", "label 6", "no label 7-7")
            self.says(joined, *numbers(2, 3), *gaps, *numbers(8, 12))

    def test_a_record_that_lags_is_waited_for(self) -> None:
        with self.joined(recorded=True) as (stream, joined):
            held, stream.record = stream.record, []
            assert held is not None
            with stream.lock:
                for _ in range(9):
                    stream.label(lost=True)
                late, stream.record = held + stream.record, held
            threading.Timer(0.3, lambda: setattr(stream, "record", late)).start()
            self.says(joined, *numbers(2, 10))

    def test_a_record_that_stays_behind_is_given_up_once(self) -> None:
        with self.joined(recorded=True, recovery_s=0.5) as (stream, joined):
            for _ in range(9):
                stream.label(lost=True, recorded=False)
            self.says(joined, "no label 2-6", *numbers(7, 10))
            joined._catch_up._recovery_s = 60
            for _ in range(9):
                stream.label(lost=True, recorded=False)
            self.says(joined, "no label 11-15", *numbers(16, 19))

    def test_another_start_of_the_daemon_begins_at_one(self) -> None:
        for recorded in (True, False):
            with self.joined(recorded=recorded) as (stream, joined):
                stream.restart()
                with stream.lock:
                    stream.start(recorded=recorded, lost=True)
                    for _ in range(6):
                        stream.label(lost=True)
                    stream.label()
                lost = [] if recorded else ["no label 1-3"]
                first = 1 if recorded else 4
                restarted = ("no label 2-None", "RunStart")
                self.says(joined, *restarted, *lost, *numbers(first, 7))
                stream.end()
                self.says(joined, "RunEnd")
                stream.restart()
                stream.start(recorded=recorded)
                stream.label()
                self.says(joined, "RunStart", "label 1")

    def test_labels_of_a_daemon_that_is_gone_are_a_gap(self) -> None:
        with self.joined(recorded=True) as (stream, joined):
            with stream.lock:
                stream.label(lost=True)
                stream.label()
                stream.restart()
                stream.start(recorded=True)
                stream.label()
            self.says(joined, "no label 2-2", "label 3", "no label 4-None", "RunStart", "label 1")

    def test_the_start_of_a_run_that_was_lost_comes_before_its_labels(self) -> None:
        with self.joined(recorded=True) as (stream, joined):
            with stream.lock:
                stream.end(lost=True)
                stream.start(recorded=True, lost=True)
                stream.label()
            self.says(joined, "no run 2-2", "RunStart", "label 2")
            with stream.lock:
                stream.set(5, "c1")
                stream.label(lost=True, frame=4)
                stream.label(lost=True, frame=5)
            settings, *labels = read(joined, 3)
            assert isinstance(settings, RunSettings)
            self.assertEqual((settings.frame, settings.config), (5, "c1"))
            # The line of a record does not tell its settings.
            configs = [label.config for label in labels if isinstance(label, Label)]
            self.assertEqual(configs, ["c0", "c0"])
            self.assertEqual(brief(labels), numbers(3, 4))

    def test_the_end_of_a_run_that_was_lost_comes_after_its_labels(self) -> None:
        with self.joined(recorded=True) as (stream, joined):
            with stream.lock:
                stream.label(lost=True)
                stream.end(lost=True)
            label, end = read(joined, 2)
            self.assertEqual(brief([label, end]), ["label 2", "RunEnd"])
            assert isinstance(end, RunEnd)
            self.assertEqual(end.totals["label"]["last_seq"], 2)
            self.assertFalse(joined.missed)
            with stream.lock:
                stream.start(recorded=True)
                stream.label()
            self.says(joined, "RunStart", "label 3")

    def test_maps_that_are_lost_are_gaps(self) -> None:
        with self.joined(recorded=True) as (stream, joined):
            for lost in (False, True, False, True):
                stream.cam(lost=lost)
            stream.end()
            said = ("map 1 of 1", "no map 2-2", "map 3 of 1", "no map 4-4", "RunEnd")
            self.says(joined, *said)
            self.assertEqual(joined.missed, {"map": 2})

    def test_a_map_waits_for_the_start_of_its_run(self) -> None:
        with self.joined(recorded=True) as (stream, joined):
            stream.cam()
            stream.end()
            self.says(joined, "map 1 of 1", "RunEnd")
            with stream.lock:
                stream.start(recorded=True, lost=True)
                stream.cam()
                # It is there before the next sign of life.
                time.sleep(0.2)
            self.says(joined, "RunStart", "map 2 of 1")

    def test_a_loop_that_is_left_is_gone_on_with(self) -> None:
        with self.joined(recorded=True) as (stream, joined):
            for _ in range(5):
                stream.label(lost=True)
            stream.cam()
            for number in range(2, 7):
                self.assertEqual(next(joined.labels()).seq, number)
            stream.label()
            stream.cam()
            self.assertEqual(next(joined.maps()).label_seq, 7)

    def test_who_was_refused_once_tries_again(self) -> None:
        stranger, port = secured(zmq.PUB)
        with (
            unittest.mock.patch("senescope.subscriber._SILENCE_S", 0.3),
            Subscriber(f"tcp://127.0.0.1:{port}", None, timeout_s=1) as joined,
        ):
            with self.assertRaisesRegex(TimeoutError, "on its list"):
                next(joined.labels())
            stranger.close()
            with FakeStream(port) as stream:
                joined._control = joined._catch_up._control = Control(stream.endpoints[2])
                stream.start(recorded=False)
                stream.label()
                self.assertEqual(next(joined.labels()).seq, 1)

    def test_silence_can_be_limited(self) -> None:
        with (
            Subscriber("tcp://127.0.0.1:9", timeout_s=0.3) as joined,
            self.assertRaisesRegex(TimeoutError, "nothing came from tcp://127.0.0.1:9"),
        ):
            next(joined.labels())
        with (
            Subscriber("tcp://127.0.0.1:9", None) as joined,
            self.assertRaisesRegex(ValueError, "without maps"),
        ):
            joined.maps()


class ControlTest(unittest.TestCase):
    """Commands, and what is said to them."""

    def test_who_is_not_let_in_does_not_wait_for_ever(self) -> None:
        daemon, port = secured(zmq.REP)
        endpoint = f"tcp://127.0.0.1:{port}"
        with daemon, Control(endpoint, timeout_s=0.3) as control:
            control._socket = connect(zmq.REQ, endpoint, None)
            # It is refused before it asks.
            time.sleep(0.5)

            def ask() -> None:
                with self.assertRaisesRegex(TimeoutError, "on its list"):
                    control.status()

            self.assertTrue(ends(ask))

    def test_answers_refusals_and_silence(self) -> None:
        with FakeStream() as stream, Control(stream.endpoints[2], timeout_s=0.3) as control:
            self.assertEqual(control.status()["state"], "running")
            changes = {"segment.smoothing_um": 0.8, "record.maps": True, "record.dir": "a b"}
            self.assertEqual(
                control.set(changes)["settings"]["was"],
                ["segment.smoothing_um=0.8", "record.maps=true", "record.dir=a b"],
            )
            for ask in (control.start, lambda: control.since(3)):
                with self.assertRaisesRegex(Refused, "not known|no run was recorded"):
                    ask()
            stream.silent = True
            with self.assertRaisesRegex(TimeoutError, "nobody answered status"):
                control.status()
            stream.silent = False
            # The answer that came too late is not that of the next.
            self.assertIn("edges", control.status())


if __name__ == "__main__":
    unittest.main()
