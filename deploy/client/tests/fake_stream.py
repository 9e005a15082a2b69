"""A daemon's stream and command socket, as far as a subscriber sees them, with faults."""

import json
import pathlib
import threading
import time
import uuid
from types import TracebackType
from typing import Any

import cbor2
import numpy as np
import zmq

_GOLDEN = pathlib.Path(__file__).resolve().parents[3] / "tests/golden/messages"
_SNAPSHOT = 4


def golden(name: str) -> dict[str, Any]:
    """Return the example of a message."""
    message: dict[str, Any] = json.loads((_GOLDEN / f"{name}.json").read_text())
    return message


class FakeStream:
    """Publishes what it is told to, and answers from what it has published.

    A snapshot has the last four labels of a run. `record` is a list of lines, or `None` when
    nothing is recorded. `lost` messages take their number and are not sent.
    """

    def __init__(self, labels_port: int = 0) -> None:
        self._context = zmq.Context()
        self._labels, self._maps = (self._context.socket(kind) for kind in (zmq.PUB, zmq.XPUB))
        self.endpoints = [self._bind(self._labels, labels_port), self._bind(self._maps)]
        self._control = self._context.socket(zmq.REP)
        self.endpoints.append(self._bind(self._control))
        self.lock = threading.RLock()
        self.record: list[dict[str, Any]] | None = None
        # Lines of one answer.
        self.page = 3
        self.requests: list[dict[str, Any]] = []
        self.silent = False
        self._over = threading.Event()
        self.restart()
        self._threads = [threading.Thread(target=each) for each in (self._live, self._answer)]
        for thread in self._threads:
            thread.start()

    @staticmethod
    def _bind(socket: "zmq.Socket[bytes]", port: int = 0) -> str:
        socket.linger = 0
        until = time.monotonic() + 10
        while True:
            try:
                socket.bind(f"tcp://127.0.0.1:{port or '*'}")
                break
            except zmq.ZMQError:
                # Whoever had the port before gives it up in a moment.
                if time.monotonic() > until:
                    raise
                time.sleep(0.01)
        return socket.getsockopt_string(zmq.LAST_ENDPOINT)

    def __enter__(self) -> "FakeStream":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._context.destroy()

    def await_maps(self) -> None:
        """Return when somebody has subscribed to maps, which no sign of life tells."""
        with self.lock:
            assert self._maps.poll(10_000) and self._maps.recv() == b"\x01v1/cam/"

    def restart(self) -> None:
        """Be another start of the daemon."""
        with self.lock:
            self.epoch = uuid.uuid4().hex
            self.last = dict.fromkeys(("run", "label", "cam", "stat", "hb"), 0)
            self.run: str | None = None
            self.record = None
            self.run_start: dict[str, Any] | None = None
            self.run_end: dict[str, Any] | None = None
            self.of_run: list[dict[str, Any]] = []
            self.before = dict(self.last)

    def start(self, *, recorded: bool, lost: bool = False) -> str:
        """Begin a run."""
        with self.lock:
            self.run = uuid.uuid4().hex
            self.record = [] if recorded else None
            self.of_run, self.before = [], dict(self.last)
            self.run_start = self._publish(golden("run_start"), lost=lost)
            self.run_end = None
            return self.run

    def set(self, frame: int, config: str) -> None:
        """Change settings."""
        with self.lock:
            self._publish(golden("run_settings") | {"frame": frame}, config=config)

    def label(self, *, lost: bool = False, recorded: bool = True, frame: int = 0) -> int:
        """Publish a label, and return its number."""
        with self.lock:
            header = self._publish(golden("label") | {"frame": frame}, lost=lost)
            self.of_run.append(header)
            if self.record is not None and recorded:
                none = ("v", "type", "epoch", "run", "t_pub_ns", "model", "config")
                line = {key: value for key, value in header.items() if key not in none}
                self.record.append(line | {"maps": []})
            return int(header["seq"])

    def cam(self, *, lost: bool = False) -> None:
        """Publish the map of the last label."""
        with self.lock:
            values = np.full((4, 4), self.last["label"], "<f4")
            header = golden("cam") | {"label_seq": self.last["label"]}
            self._publish(header, values.tobytes(), lost=lost)

    def end(self, *, lost: bool = False) -> None:
        """End the run."""
        with self.lock:
            totals = {
                kind: {
                    "assigned": self.last[kind] - self.before[kind],
                    "last_seq": self.last[kind],
                    "sent": self.last[kind] - self.before[kind],
                    "shed": 0,
                }
                for kind in ("label", "cam", "stat")
            }
            self.run_end = self._publish(golden("run_end") | {"totals": totals}, lost=lost)
            self.run = None

    def again(self) -> None:
        """Send the labels of the run a second time."""
        with self.lock:
            for header in self.of_run:
                self._send(self._labels, header)

    def _publish(
        self, body: dict[str, Any], *payload: bytes, lost: bool = False, config: str = "c0"
    ) -> dict[str, Any]:
        kind = body["type"]
        self.last[kind] += 1
        header = {"v": 1, "model": "m0", "t_pub_ns": 0, "t_acq_ns": None} | body
        header |= {"epoch": self.epoch, "run": self.run, "seq": self.last[kind], "config": config}
        if not lost:
            self._send(self._maps if kind == "cam" else self._labels, header, *payload)
        return header

    def _send(self, socket: "zmq.Socket[bytes]", header: dict[str, Any], *payload: bytes) -> None:
        topic = f"v1/{header['type']}/{header['run'] or '-'}/-/"
        socket.send_multipart([topic.encode(), cbor2.dumps(header), *payload])

    def _live(self) -> None:
        while not self._over.wait(0.02):
            with self.lock:
                self._publish({"type": "hb", "last_seq": dict(self.last), "state": "running"})

    def _answer(self) -> None:
        while not self._over.is_set():
            if self._control.poll(20):
                request = cbor2.loads(self._control.recv())
                with self.lock:
                    self.requests.append(request)
                    answer = self._reply(request)
                while self.silent and not self._over.wait(0.01):
                    pass
                self._control.send(cbor2.dumps(answer))

    def _reply(self, request: dict[str, Any]) -> dict[str, Any]:
        about = {"ok": True, "epoch": self.epoch, "last_seq": dict(self.last)}
        match request["cmd"]:
            case "status":
                assigned = self.last["label"] - self.before["label"]
                edges = [{"name": "publish.label", "in": assigned}]
                return about | {"run": self.run, "state": "running", "edges": edges}
            case "snapshot":
                labels = self.of_run[-_SNAPSHOT:]
                run = {"run_start": self.run_start, "run_end": self.run_end}
                return about | run | {"labels": labels}
            case "since" if self.record is not None:
                behind = [line for line in self.record if line["seq"] > request["seq"]]
                more = len(behind) > self.page
                return {"ok": True, "labels": behind[: self.page], "more": more}
            case "since":
                return {"ok": False, "error": "no run was recorded"}
            case "set":
                return {"ok": True, "config": "c1", "settings": {"was": request["set"]}}
            case _:
                return {"ok": False, "error": "the command is not known"}
