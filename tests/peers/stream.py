"""What the peers share: subscribing with pyzmq, following a run, and a stopped subscriber."""

import contextlib
import os
import pathlib
import subprocess
import sys
from collections.abc import Callable, Iterator

import cbor2
import numpy
import zmq

PATIENCE_MS = 60_000
# Stops itself after its first message of a topic.
STOPPED = """
import os, signal, sys, zmq
socket = zmq.Context().socket(zmq.SUB)
# Little may hide in the buffers of this process and of the kernel.
socket.rcvhwm, socket.rcvbuf = 10, 1 << 16
for endpoint in sys.argv[2:]:
    socket.connect(endpoint)
socket.subscribe("v1/")
while not socket.recv_multipart()[0].startswith(sys.argv[1].encode()):
    pass
os.kill(os.getpid(), signal.SIGSTOP)
"""


def subscriber(
    context: zmq.Context,
    *endpoints: str,
    prefix: str = "v1/",
    secure: Callable[[zmq.Socket], object] = lambda socket: None,
) -> zmq.Socket:
    """Subscribe without a limit on our side, with heartbeats of libzmq and what `secure` sets."""
    socket = context.socket(zmq.SUB)
    secure(socket)
    socket.rcvtimeo = PATIENCE_MS
    socket.rcvhwm = 0
    socket.linger = 0
    socket.heartbeat_ivl, socket.heartbeat_timeout = 200, 5000
    for endpoint in endpoints:
        socket.connect(endpoint)
    socket.subscribe(prefix)
    return socket


def receive(socket: zmq.Socket) -> tuple[dict, list[bytes]]:
    """Return the header and the payload of one message, whose topic must agree with its header."""
    topic, header, *payload = socket.recv_multipart()
    header = cbor2.loads(header)
    assert header["v"] == 1 and topic.endswith(b"/")
    assert topic.decode().split("/")[:2] == ["v1", header["type"]]
    return header, payload


def messages_of_run(labels: zmq.Socket, maps: zmq.Socket) -> Iterator[tuple[dict, list[bytes]]]:
    """Yield every message until the end of a run and all of its maps are there.

    To be called soon after connecting: libzmq subscribes again after a reconnection only while a
    socket is being read or polled.
    """
    poller = zmq.Poller()
    for socket in (labels, maps):
        poller.register(socket, zmq.POLLIN)
    end, seen = None, 0
    while end is None or seen < end["totals"]["cam"]["sent"]:
        ready = dict(poller.poll(PATIENCE_MS))
        assert ready, f"nothing came any more after {seen} maps; run end: {end}"
        for socket in ready:
            header, payload = receive(socket)
            seen += header["type"] == "cam"
            if header["type"] == "run" and header["phase"] == "end":
                end = header
            yield header, payload


def read_map(header: dict, payload: list[bytes]) -> numpy.ndarray:
    """Return a Grad-CAM map as its header describes it."""
    cam = numpy.frombuffer(payload[0], header["dtype"]).reshape(header["shape"])
    assert cam.shape == (128, 128) and cam.dtype == numpy.float32
    return cam


def check_totals(end: dict, seqs: dict[str, list[int]]) -> None:
    """Prove by a run's end that nothing of it is missing and that every edge conserves."""
    for kind, numbers in seqs.items():
        total = end["totals"][kind]
        assert len(numbers) == total["sent"] == total["assigned"], (kind, total, len(numbers))
        first = total["last_seq"] - total["assigned"] + 1
        assert numbers == list(range(first, total["last_seq"] + 1)), f"{kind}: a gap"
    for edge in end["edges"]:
        assert edge["in"] == edge["out"] + sum(edge["discarded"].values()), edge


@contextlib.contextmanager
def stopped_subscriber(until: str, *endpoints: str) -> Iterator[Callable[[], None]]:
    """Keep a process connected that is stopped by SIGSTOP after its first message of a topic.

    Gives a function that returns when it stands still.
    """
    process = subprocess.Popen([sys.executable, "-c", STOPPED, until, *endpoints])

    def wait() -> None:
        _, status = os.waitpid(process.pid, os.WUNTRACED)
        assert os.WIFSTOPPED(status), "the subscriber ended instead of being stopped"

    try:
        yield wait
    finally:
        process.kill()
        process.wait()


def resident_mib(pid: int) -> int:
    """Return the memory that a process has resident."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024
