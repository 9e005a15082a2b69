"""Where a daemon that a peer starts will be found."""

import contextlib
import os
import random
import socket

PATIENCE_S = 60

# Many run at once, and the port of the live page is one. Who wants a page says where.
os.environ.setdefault("SENESCOPE__HTTP__ENABLED", "false")


def listening() -> socket.socket:
    """Listen at a port that is free, and below those that outgoing connections are given.

    A daemon that is started again must not find its port taken by somebody's connection.
    """
    while True:
        with contextlib.suppress(OSError):
            return socket.create_server(("127.0.0.1", random.randrange(20_000, 32_000)))


def free_address() -> str:
    """Return an address of this host that nobody listens at."""
    with listening() as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


class Ports:
    """Three free ports: of labels, maps and commands, kept until the daemon wants them."""

    def __init__(self):
        self.listening = [listening() for _ in range(3)]
        names = [f"tcp://127.0.0.1:{each.getsockname()[1]}" for each in self.listening]
        self.labels, self.maps, self.control = names

    def await_subscribers(self):
        """Return once somebody has tried to connect to labels and maps; then give the ports up."""
        for each in self.listening[:2]:
            each.settimeout(PATIENCE_S)
            each.accept()[0].close()
        self.close()

    def close(self):
        """Give the ports up."""
        for each in self.listening:
            each.close()

    def arguments(self):
        """Return the settings with which the program publishes there."""
        names = ("labels", "maps", "control")
        return [
            word for name in names for word in ("--set", f"publish.{name}={getattr(self, name)}")
        ]
