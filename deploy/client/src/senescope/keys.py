"""The CURVE keys of a client, from the certificates that `senescope keys new` or pyzmq wrote."""

import os
from dataclasses import dataclass, field
from typing import Any

import zmq
import zmq.auth

Socket = zmq.Socket[bytes]


@dataclass(frozen=True)
class Keys:
    """The keys of this client, and the public one that its daemon must prove to have."""

    public: bytes
    secret: bytes = field(repr=False)
    server: bytes

    @classmethod
    def load(cls, key: "str | os.PathLike[str]", server: "str | os.PathLike[str]") -> "Keys":
        """Read this client's `NAME.key_secret` and the daemon's `server.key`."""
        public, secret = zmq.auth.load_certificate(os.fspath(key))
        if secret is None:
            raise ValueError(f"{key} has no secret key; give the file NAME.key_secret")
        return cls(public, secret, zmq.auth.load_certificate(os.fspath(server))[0])


def connect(kind: int, endpoint: str, keys: Keys | None, **options: Any) -> Socket:
    """Return a socket that is being connected, with keys when there are some."""
    socket: Socket = zmq.Context.instance().socket(kind)
    options = {
        "linger": 0,
        # The kernel notices a peer that is gone without a word. With heartbeats libzmq aborts the
        # program of a slow reader at its high-water mark (zeromq/libzmq#3937).
        "tcp_keepalive": 1,
        "tcp_keepalive_idle": 10,
        "tcp_keepalive_intvl": 5,
        "tcp_keepalive_cnt": 3,
        # A daemon that is started again is found soon.
        "reconnect_ivl": 100,
        "reconnect_ivl_max": 1000,
        **options,
    }
    if keys is not None:
        options |= {
            "curve_publickey": keys.public,
            "curve_secretkey": keys.secret,
            "curve_serverkey": keys.server,
        }
    try:
        for name, value in options.items():
            setattr(socket, name, value)
        socket.connect(endpoint)
    except Exception:
        socket.close()
        raise
    return socket
