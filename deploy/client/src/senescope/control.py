"""Asks a daemon's command socket.

    with Control() as control:
        print(control.status()["state"])

Answers are maps as the daemon gives them; `src/control/mod.rs` and `src/stages/publish/message` of
the daemon tell what is in them. With keys a viewer may ask, and only an operator may change.
"""

import json
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import cbor2
import zmq

from senescope.keys import Keys, Socket, connect

ENDPOINT = "tcp://127.0.0.1:5558"
# A frame that is looked at again has one core.
_REPROCESS_S = 180.0


class Refused(Exception):
    """The daemon did not do what was asked; the message is its sentence that says why."""


class Control:
    """The commands of the daemon at `endpoint`. One thread at a time.

    Each raises `TimeoutError` when nobody answers within `timeout_s`, and `Refused`.
    """

    def __init__(
        self, endpoint: str = ENDPOINT, keys: Keys | None = None, *, timeout_s: float = 10.0
    ):
        self._endpoint = endpoint
        self._keys = keys
        self._timeout_s = timeout_s
        self._socket: Socket | None = None

    def __enter__(self) -> "Control":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection. The next command makes another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def status(self) -> dict[str, Any]:
        """Return where the daemon is: its state, the run, the last numbers, its queues."""
        return self._ask({"cmd": "status"})

    def snapshot(self) -> dict[str, Any]:
        """Return the start of the present or last run, and its last labels."""
        return self._ask({"cmd": "snapshot"})

    def since(self, seq: int) -> tuple[list[dict[str, Any]], bool]:
        """Return labels of the present or last recording behind `seq`, and whether there are more.

        Those that follow are asked for with the number of the last of these.
        """
        answer = self._ask({"cmd": "since", "seq": seq})
        return answer["labels"], answer["more"]

    def start(self) -> str:
        """Begin a run, and return the state."""
        return str(self._ask({"cmd": "start"})["state"])

    def stop(self) -> str:
        """End the run, and return the state; what was scanned is still labelled."""
        return str(self._ask({"cmd": "stop"})["state"])

    def settings(self) -> dict[str, Any]:
        """Return the `settings` in force and their digest `config`."""
        return self._ask({"cmd": "settings"})

    def set(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change settings from the next frame on, all or none, and return those in force.

        Their names are as in `{"segment.smoothing_um": 0.8}`.
        """
        return self._ask({"cmd": "set", "set": _assignments(changes)})

    def reprocess(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is said of the last frame with other settings, which are not put in force.

        It takes up to some minutes.
        """
        request = {"cmd": "reprocess", "set": _assignments(changes)}
        return self._ask(request, max(self._timeout_s, _REPROCESS_S))

    def _ask(self, request: dict[str, Any], timeout_s: float | None = None) -> dict[str, Any]:
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        if self._socket is None:
            self._socket = connect(zmq.REQ, self._endpoint, self._keys)
        answer: dict[str, Any] | None = None
        until = time.monotonic() + timeout_s

        def is_ready(socket: Socket, event: int) -> bool:
            left_ms = round(1000 * (until - time.monotonic()))
            return bool(socket.poll(max(0, left_ms), event))

        try:
            # Nothing can be sent to who does not let this in, and that may be found in between.
            if is_ready(self._socket, zmq.POLLOUT):
                self._socket.send(cbor2.dumps(request), zmq.NOBLOCK)
                if is_ready(self._socket, zmq.POLLIN):
                    answer = cbor2.loads(self._socket.recv())
        except zmq.Again:
            pass
        finally:
            # Also when this is interrupted: an answer to it must not become that to the next.
            if answer is None:
                self.close()
        if answer is None:
            raise TimeoutError(
                f"nobody answered {request['cmd']} at {self._endpoint} within {timeout_s:g} s; is "
                "the daemon running there, and is this key on its list?"
            )
        if not answer.pop("ok"):
            raise Refused(answer["error"])
        return answer


def _assignments(changes: Mapping[str, Any]) -> list[str]:
    """Return `section.key=value` each, with values as in TOML."""
    return [
        f"{key}={value if isinstance(value, str) else json.dumps(value)}"
        for key, value in changes.items()
    ]
