"""The records of the strip protocol, and the lines around them.

`hal/README.md` of the daemon is the specification.
"""

import re
import struct
import zlib
from typing import NamedTuple

MAX_PAYLOAD = 64 * 1024
MAX_BLOCK = 1 << 20
_HEADER = struct.Struct("<4sHHIIQQIHHHHHBBIIQ")
_VERSION = 1
_REPLY = re.compile(r'(-?\d+),"(.*)"\s*', re.DOTALL)


class Strip(NamedTuple):
    """Where the samples of a record belong."""

    boot: int
    run: int
    sequence: int
    frame: int
    first_row: int
    rows: int
    width: int
    mask: int
    bit_depth: int


def record(strip: Strip, samples: bytes) -> bytes:
    """Return the record of little-endian 16-bit samples."""
    header = _HEADER.pack(
        b"SNST",
        _VERSION,
        _HEADER.size,
        len(samples),
        strip.run,
        strip.boot,
        strip.sequence,
        strip.frame,
        0,  # field of view
        strip.first_row,
        strip.rows,
        strip.width,
        strip.mask,
        strip.bit_depth,
        0,  # flags
        0,  # rows lost before
        0,  # line period, not known
        0,  # device time, not known
    )
    checksum = zlib.crc32(samples, zlib.crc32(header))
    return b"".join((header, samples, checksum.to_bytes(4, "little")))


def reply(line: bytes) -> tuple[int, str]:
    """Return the number and the text of an answer."""
    match = _REPLY.fullmatch(line.decode("utf-8", "replace"))
    if match is None:
        raise ValueError(f"the daemon answered {line[:80]!r}, which is no answer to a record")
    return int(match[1]), match[2].replace('""', '"')
