"""Publishes labels and maps over ZeroMQ."""

import cbor2
import numpy as np
import zmq


class Publisher:
    """A publishing socket that waits for its first subscriber."""

    def __init__(self, endpoint: str):
        self.socket = zmq.Context.instance().socket(zmq.XPUB)
        self.socket.sndhwm = 0
        self.socket.bind(endpoint)

    def await_subscriber(self) -> None:
        """Return when somebody has subscribed."""
        self.socket.recv()

    def send(self, kind: str, header: dict, *payload: np.ndarray) -> None:
        """Send one message."""
        topic = f"v1/{kind}/".encode()
        header = cbor2.dumps({"v": 1, "type": kind, **header})
        self.socket.send_multipart([topic, header, *payload])
