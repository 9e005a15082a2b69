#!/usr/bin/env python3
"""Prints what the driver of boards makes of a pseudo-terminal, beside a plain copy of its bytes.

Usage: link.py SENESCOPE.

Copy: `cat` writes the bytes of 200 frames of 512 x 512 pixels in three channels to one end and
`head` reads them from the other. Driver: `board emulate` and `board probe` as separate processes
carry the same frames as checked records, one strip a request, as fast as the link goes. Both
alternate; the ratio is of medians of the same run.
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import tty

EDGE, CHANNELS, FRAMES, STRIP_ROWS, REPEATS = 512, 3, 200, 21, 5
BYTES = EDGE * EDGE * CHANNELS * 2 * FRAMES


def copy(path: pathlib.Path) -> float:
    """Copy a file through a pseudo-terminal; return MB/s."""
    master, slave = os.openpty()
    tty.setraw(slave)
    reader = subprocess.Popen(["head", "-c", str(BYTES)], stdin=slave, stdout=subprocess.DEVNULL)
    begin = time.perf_counter()
    writer = subprocess.Popen(["cat", str(path)], stdout=master)
    if writer.wait() or reader.wait():
        raise SystemExit("the plain copy failed")
    seconds = time.perf_counter() - begin
    os.close(master)
    os.close(slave)
    return BYTES / seconds * 1e-6


def drive(program: str, link: str) -> float:
    """Fetch the frames from the emulated board; return MB/s of samples."""
    scan = ["--frames", str(FRAMES), "--strip-rows", str(STRIP_ROWS)]
    size = ["--width", str(EDGE), "--height", str(EDGE)]
    answer = subprocess.check_output([program, "board", "probe", link, "--json", *scan, *size])
    found = json.loads(answer)
    if found["error"] or found["bytes"] != BYTES:
        raise SystemExit(f"the driver lost something: {found}")
    return found["bytes"] / found["seconds"] * 1e-6


def main() -> None:
    """Alternate copy and driver."""
    (program,) = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        path, link = pathlib.Path(folder) / "bytes", f"{folder}/board"
        with path.open("wb") as file:
            for _ in range(FRAMES):
                file.write(os.urandom(BYTES // FRAMES))
        board = subprocess.Popen(
            [program, "board", "emulate", link, "--speed", "max"], stdout=subprocess.PIPE
        )
        try:
            board.stdout.readline()
            drive(program, link)  # Renders the fields.
            rates = [(copy(path), drive(program, link)) for _ in range(REPEATS)]
        finally:
            board.terminate()
            board.wait()
    plain, driver = (statistics.median(side) for side in zip(*rates, strict=True))
    print(f"\n{FRAMES} frames of {EDGE} x {EDGE} x {CHANNELS} over a pseudo-terminal")
    print(f"  plain copy   {plain:7.1f} MB/s")
    print(f"  driver       {driver:7.1f} MB/s, {driver / plain:.2f} of the copy (goal 0.5)")


if __name__ == "__main__":
    main()
