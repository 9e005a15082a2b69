"""A board that speaks "SCPI strips, version 1" on a pseudo-terminal, written from the wire's
specification alone: where it and senescope disagree, one of the two or the specification is wrong.

    board.py LINK [--serial S] [--seed N] [--pulled] [moods]

It makes the symbolic link LINK to its terminal, prints `ready LINK` and serves until its standard
input closes or SIGTERM or SIGINT comes. Its samples are `counts`. Needs numpy.
"""

import argparse
import itertools
import json
import math
import os
import random
import re
import select
import signal
import struct
import sys
import time
import tty
import zlib
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial

import numpy as np

CHANNELS = ("SRS", "TPEF", "TRANS")
BIT_DEPTH = 12
CLOCK_HZ = 150_000_000
CRYSTAL_PPM = 12  # The clock is as wrong as crystals are.
DWELL_STEP_NS = 20  # Three ticks: every time of a scan is a whole number of ticks.
TURN_NS = {False: 60_000, True: 24_000}  # From a row's end to the next: flyback, or mirror's turn.
SAMPLE_BYTES = 1 << 16
RING_STRIPS = 64  # More when they are less than WAIT.
WAIT = CLOCK_HZ // 5  # Ticks that a fetch waits for its strip.
TRIGGER = CLOCK_HZ // 2  # How long after INITiate the external trigger comes.
REBOOT_S = 0.3
BANNER = b"\r\nrst:0x1 (POWERON)\r\nboard 0.9 (#3) self-test ok\r\n"

ERRORS = {
    -101: "Invalid character", -104: "Data type error", -108: "Parameter not allowed",
    -109: "Missing parameter", -113: "Undefined header",
    -221: "Settings conflict", -222: "Data out of range", -224: "Illegal parameter value",
    -350: "Queue overflow", -363: "Input buffer overrun",
}
# The settings: attribute, and the numbers or the words that it takes.
SETTINGS: dict[str, tuple[str, range | dict[str, bool]]] = {
    "SCAN:WIDTh": ("width", range(16, 2049)),
    "SCAN:HEIGht": ("height", range(16, 2049)),
    "SCAN:DWELl": ("dwell_ns", range(200, 1_000_001)),
    "SCAN:LINes:STRip": ("strip_rows", range(1, 65)),
    "SCAN:FRAMes": ("frames", range(2**32)),
    "SCAN:PIXel": ("pixel_nm", range(50, 1001)),
    "SENSe:CHANnel:ENABle": ("mask", range(1, 2 ** len(CHANNELS))),
    "SCAN:BIDirectional": ("bidirectional", {"ON": True, "1": True, "OFF": False, "0": False}),
    "TRIGger:SOURce": ("external", dict(IMM=False, IMMEDIATE=False, EXT=True, EXTERNAL=True)),
}


def counts(seed: int, frame: int, row, channel, width: int) -> np.ndarray:
    """The samples of a row from left to right, whichever way the beam went: 100 … 3999, a hash of
    where they are. `row` and `channel` (as numbered in the capabilities) may be arrays that
    broadcast; the columns are then one more axis behind theirs."""
    key = np.uint64((seed * 0x9E3779B97F4A7C15 + frame * 0xD1B54A32D192ED03) % 2**64)
    rows, channels = (np.asarray(i, np.uint64)[..., None] for i in (row, channel))
    columns = np.arange(width, dtype=np.uint64)
    x = key ^ (rows << np.uint64(32) | channels << np.uint64(16) | columns)
    for shift, factor in (30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB):
        x = (x ^ x >> np.uint64(shift)) * np.uint64(factor)
    return (100 + (x ^ x >> np.uint64(31)) % np.uint64(3900)).astype("<u2")


class ScpiError(Exception):
    """A message that is wrong, by the number of its error."""

    def __init__(self, number: int):
        super().__init__(f'{number},"{ERRORS[number]}"')


@dataclass
class Settings:
    """The settings; `achieved` is what the board makes of them."""

    width: int = 512
    height: int = 512
    dwell_ns: int = 2000
    strip_rows: int = 4
    frames: int = 0
    pixel_nm: int = 200
    mask: int = 2 ** len(CHANNELS) - 1
    bidirectional: bool = False
    external: bool = False

    def achieved(self) -> "Settings":
        dwell_ns = -(-self.dwell_ns // DWELL_STEP_NS) * DWELL_STEP_NS
        fitting = SAMPLE_BYTES // (2 * self.width * self.mask.bit_count())
        rows = min(self.strip_rows, self.height, fitting)
        return replace(self, dwell_ns=dwell_ns, strip_rows=rows)

    @property
    def line_ns(self) -> int:
        return self.dwell_ns * self.width + TURN_NS[self.bidirectional]


@dataclass
class Strip:
    """A strip in the ring; its samples are computed when it is fetched."""

    number: int
    frame: int
    row: int
    rows: int
    dropped: int
    ticks: int
    fetched: bool = False


class Run:
    """A run of achieved settings. Nothing happens by itself: `advance` does what has been due
    until then. Pulled, it waits for its host; every `overrun`th strip is lost, with 0 none."""

    def __init__(self, number: int, settings: Settings, begin: int, pulled: bool, overrun: int):
        self.number, self.settings = number, settings
        self.pulled, self.overrun = pulled, overrun
        self.line = settings.line_ns * CLOCK_HZ // 10**9
        self.capacity = max(RING_STRIPS, math.ceil(WAIT / (self.line * settings.strip_rows)))
        self.ring: dict[int, Strip] = {}
        # The strip that is being scanned: device time, place, and its rows if ABORt shortens it.
        self.begin, self.frame, self.row, self.cut = begin, 0, 0, 0
        self.next = self.rows = self.lost = self.overruns = 0  # The rows of whole strips.
        self.dropped = 0  # Rows since the last strip that are in none.
        self.scanned = 0  # Strips, with those that were lost.
        self.wanted = 0  # Pulled, the strips from here on are kept.
        self.held = self.ended = False

    @property
    def oldest(self) -> int:
        return self.next - len(self.ring)

    @property
    def high(self) -> int:
        """Rows of the strip that is being scanned."""
        return self.cut or min(self.settings.strip_rows, self.settings.height - self.row)

    def rows_at(self, now: int) -> int:
        scanning = not self.ended and not self.held and now >= self.begin
        return self.rows + (min(self.high, (now - self.begin) // self.line) if scanning else 0)

    def advance(self, now: int) -> None:
        while not self.ended and not self.held:
            rows = self.high
            end = self.begin + rows * self.line
            if now < end:
                return
            self.finish(rows)
            self.begin = end
            self.ended = self.cut > 0 or 0 < self.settings.frames <= self.frame
            self.held = self.is_full()

    def finish(self, rows: int) -> None:
        """Puts the strip that has been scanned into the ring, or loses it."""
        self.scanned += 1
        self.rows += rows
        if self.overrun and self.scanned % self.overrun == 0:
            self.overruns += 1
            self.lost += rows
            self.dropped += rows
        else:
            strip = Strip(self.next, self.frame, self.row, rows, self.dropped, self.begin)
            self.ring[self.next] = strip
            self.next, self.dropped = self.next + 1, 0
            if len(self.ring) > self.capacity:
                self.forget(1)
        self.row += rows
        if self.row == self.settings.height:
            self.frame, self.row = self.frame + 1, 0

    def forget(self, strips: int) -> None:
        for number in list(itertools.islice(self.ring, strips)):
            strip = self.ring.pop(number)
            self.lost += 0 if strip.fetched else strip.rows

    def reset(self, now: int) -> None:
        """Ends the run at once and forgets its strips."""
        begun = self.rows_at(now) - self.rows
        self.rows, self.lost, self.ended = self.rows + begun, self.lost + begun, True
        self.forget(len(self.ring))

    def is_full(self) -> bool:
        return self.pulled and self.next - self.wanted >= self.capacity

    def want(self, number: int, now: int) -> None:
        """The host asks for a strip, so it does without those before."""
        self.wanted = max(self.wanted, min(number, self.next))
        if self.held and not self.is_full():
            self.held, self.begin = False, now

    def abort(self, now: int) -> None:
        """Ends the run after the row that is being scanned."""
        self.advance(now)
        if self.held or now < self.begin:
            self.ended = True
        elif not self.ended and not self.cut:
            self.cut = min(self.high, (now - self.begin) // self.line + 1)


class Board:
    """The firmware: takes lines and has replies."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.reboots_at = options.reboot
        plain: dict[str, Callable[[], bytes | None]] = {
            "*IDN?": lambda: f"Peerware,Tickle-3,{options.serial},0.9".encode(),
            "*CLS": lambda: self.errors.clear(),
            "*RST": self.reset,
            "*OPC?": lambda: None if self.run.cut and not self.run.ended else b"1",
            "*TST?": lambda: b"0",
            "SYSTem:ERRor?": self.error,
            "SYSTem:PROTocol?": lambda: b"1",
            "SYSTem:BOOT?": lambda: str(self.boot).encode(),
            "SYSTem:CAPability?": self.capability,
            "SCAN:ACTual?": self.actual,
            "INITiate": self.initiate,
            "ABORt": lambda: self.run.abort(self.now()),
            "ACQuire:STATus?": self.status,
        }
        taking: dict[str, Callable[[str], bytes | None]] = {
            "FETCh:STRip?": self.fetch,
            **{header: partial(self.set, *setting) for header, setting in SETTINGS.items()},
        }
        self.plain = {form: plain[header] for header in plain for form in forms(header)}
        self.taking = {form: taking[header] for header in taking for form in forms(header)}
        self.start()

    def start(self) -> None:
        """What a restart does."""
        self.boot = random.getrandbits(63) | 1 << 63
        self.origin = 2**53 + random.getrandbits(40)
        self.started_ns = time.monotonic_ns()
        self.settings = Settings()
        self.run = Run(0, Settings(), 0, False, 0)
        self.run.ended = True
        self.errors: deque[str] = deque()
        self.units: deque[str] = deque()  # What is left of the line.
        self.asked: int | None = None  # When the first unit was first tried.
        self.replies = 0  # Of strips.
        self.corrupted: set[int] = set()
        self.banner = self.options.banner

    def now(self) -> int:
        """Device time in ticks."""
        elapsed = time.monotonic_ns() - self.started_ns
        return self.origin + elapsed * (CLOCK_HZ * (10**6 + CRYSTAL_PPM) // 10**6) // 10**9

    def advance(self) -> bool:
        """Scans what is due; false when the board has restarted instead."""
        self.run.advance(self.now())
        if not 0 < self.reboots_at <= self.run.next:
            return True
        self.reboots_at = 0
        self.start()
        return False

    def take(self, line: bytes) -> None:
        """Takes a line, which ends without its newline."""
        if len(line) > 4095 or not line.isascii():
            return self.fail(ScpiError(-363 if len(line) > 4095 else -101))
        self.units.extend(filter(None, (unit.strip() for unit in line.decode().split(";"))))

    def reply(self) -> bytes:
        """Does units of the line until one has a reply or has to wait; empty when there is none.
        The units behind a wrong one are not done."""
        while self.units:
            if self.asked is None:
                self.asked = self.now()
            try:
                header, *parameters = self.units[0].split(maxsplit=1)
                reply = self.do(header, *parameters)
                if reply is None and header.endswith("?"):
                    return b""
                self.units.popleft()
            except ScpiError as error:
                self.fail(error)
                self.units.clear()
                reply = None
            self.asked = None
            if reply is not None:
                banner, self.banner = BANNER if self.banner else b"", False
                return banner + reply + b"\n"
        return b""

    def do(self, header: str, parameters: str = "") -> bytes | None:
        """Does a unit. A query that has to wait gives None and is tried again."""
        header = header.upper().removeprefix(":")
        words = [word.strip() for word in parameters.split(",") if parameters]
        if header not in self.plain and header not in self.taking:
            raise ScpiError(-113)
        takes = int(header in self.taking)
        if len(words) != takes:
            raise ScpiError(-108 if len(words) > takes else -109)
        return self.taking[header](words[0]) if takes else self.plain[header]()

    def fail(self, error: ScpiError) -> None:
        if len(self.errors) < 16:
            self.errors.append(str(error))
        else:
            self.errors[-1] = str(ScpiError(-350))

    def set(self, name: str, takes: range | dict[str, bool], word: str) -> None:
        value = number(word, takes) if isinstance(takes, range) else takes.get(word.upper())
        if value is None:
            raise ScpiError(-224)
        if not self.run.ended:
            raise ScpiError(-221)
        setattr(self.settings, name, value)

    def reset(self) -> None:
        self.run.reset(self.now())
        self.settings = Settings()

    def initiate(self) -> None:
        if not self.run.ended:
            raise ScpiError(-221)
        self.corrupted.clear()
        begin = self.now() + TRIGGER * self.settings.external
        mood = self.options.pulled, self.options.overrun
        self.run = Run(self.run.number + 1, self.settings.achieved(), begin, *mood)

    def error(self) -> bytes:
        return self.errors.popleft().encode() if self.errors else b'0,"No error"'

    def capability(self) -> bytes:
        names = "width", "height", "dwell_ns", "strip_rows", "pixel_nm"
        optics = {"dark_counts": 100, "wavelength_nm": 797.0}, {"wavelength_nm": 520.5}, {}
        value = {
            "channels": [{"name": name, "bit_depth": BIT_DEPTH, **more}
                         for name, more in zip(CHANNELS, optics)],
            **{name: [min(span), max(span)] for name, span in SETTINGS.values() if name in names},
            "bidirectional": True, "clock_hz": CLOCK_HZ, "ring_strips": RING_STRIPS,
            "pacing": "pulled" if self.options.pulled else "live",
            "link": {"kind": "usb", "bytes_per_s": 200_000 if self.options.slow else 20_000_000},
        }
        return block(json.dumps(value).encode())

    def actual(self) -> bytes:
        achieved = self.settings.achieved()
        value = asdict(achieved) | {"line_ns": achieved.line_ns, "channels": achieved.mask}
        del value["mask"], value["external"]
        return block(json.dumps(value).encode())

    def status(self) -> bytes:
        now, run = self.now(), self.run
        state = "IDLE" if run.ended else "WAIT" if now < run.begin else "RUN"
        strips = f"{run.next},{run.oldest},{run.rows_at(now)},{run.lost},{run.overruns}"
        return f"{state},{run.number},{strips},{now}".encode()

    def fetch(self, word: str) -> bytes | None:
        wanted, run, now = number(word, range(2**64)), self.run, self.now()
        run.want(wanted, now)
        if wanted < run.oldest:
            self.fail(ScpiError(-222))
            return block(b"")
        if strip := run.ring.get(wanted):
            strip.fetched = True
            return block(self.corrupt(wanted, self.record(run, strip)))
        waited = now - (self.asked or now)
        return block(b"") if run.ended or waited >= WAIT else None

    def record(self, run: Run, strip: Strip) -> bytes:
        """The samples as the beam went, between a header and a checksum."""
        settings = run.settings
        rows = np.arange(strip.row, strip.row + strip.rows)
        grid = rows[:, None], [i for i in range(len(CHANNELS)) if settings.mask >> i & 1]
        samples = counts(self.options.seed, strip.frame, *grid, settings.width)
        if settings.bidirectional:
            samples[rows % 2 == 1] = samples[rows % 2 == 1, :, ::-1]
        last = strip.row + strip.rows == settings.height
        flags = settings.bidirectional | (strip.dropped > 0) << 2 | last << 3  # None saturates.
        where = strip.number, strip.frame % 2**32, 0, strip.row, strip.rows
        form = settings.width, settings.mask, BIT_DEPTH, flags, strip.dropped, settings.line_ns
        head = b"SNST", 1, 64, samples.nbytes, run.number, self.boot
        header = struct.pack("<4sHHIIQQIHHHHHBBIIQ", *head, *where, *form, strip.ticks)
        body = header + samples.tobytes()
        return body + struct.pack("<I", zlib.crc32(body))

    def corrupt(self, number: int, record: bytes) -> bytes:
        """Flips a bit of every so many records, and none of a strip's twice."""
        every, self.replies = self.options.corrupt, self.replies + 1
        if not every or self.replies % every or number in self.corrupted:
            return record
        self.corrupted.add(number)
        bit = random.Random(number).randrange(8 * len(record))
        return (int.from_bytes(record, "little") ^ 1 << bit).to_bytes(len(record), "little")


def forms(header: str) -> list[str]:
    """The long and short forms of each mnemonic, in every combination."""
    words = [{word.upper(), re.sub("[a-z]", "", word)} for word in header.split(":")]
    return [":".join(form) for form in itertools.product(*words)]


def number(word: str, span: range) -> int:
    """A number in any of the decimal forms of IEEE 488.2, rounded."""
    if not re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,2})?", word):
        raise ScpiError(-104)
    value = int(word) if re.fullmatch(r"[+-]?\d+", word) else round(float(word))
    if value not in span:
        raise ScpiError(-222)
    return value


def block(content: bytes) -> bytes:
    size = str(len(content))
    return f"#{len(size)}{size}".encode() + content


def serve(board: Board, terminal: int) -> None:
    """Moves bytes until the standard input closes. A line is done when the one before has its
    replies and they have been read."""
    inbox, outbox = b"", b""
    os.set_blocking(terminal, False)
    while True:
        if not board.advance():
            # A restart cuts the reply short, and what comes meanwhile is not heard.
            inbox = outbox = b""
            time.sleep(REBOOT_S)
            with suppress(BlockingIOError):
                os.read(terminal, 1 << 16)
        while not outbox:
            outbox = board.reply()
            line, newline, rest = inbox.partition(b"\n")
            if outbox or board.units:
                break
            if not newline:
                inbox = inbox[:4097]  # Which is too long whatever comes.
                break
            inbox = rest
            board.take(line.removesuffix(b"\r"))
        timeout = 0.0005 if board.units else 0.05
        readers = [sys.stdin, terminal] if len(inbox) < 8192 else [sys.stdin]
        readable, writable, _ = select.select(readers, [terminal] if outbox else [], [], timeout)
        if sys.stdin in readable and not os.read(sys.stdin.fileno(), 4096):
            return
        if terminal in readable:
            inbox += os.read(terminal, 1 << 16)
        if writable:
            if board.options.slow:
                time.sleep(0.00005)
            size = random.randint(1, 100) if board.options.slow else len(outbox)
            with suppress(BlockingIOError):
                outbox = outbox[os.write(terminal, outbox[:size]) :]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("link", help="symbolic link to make to the terminal")
    parser.add_argument("--serial", default="PB-0001", help="serial number")
    parser.add_argument("--seed", type=int, default=0, help="of the samples")
    for name, text in {
        "--pulled": "wait for the host and lose nothing",
        "--banner": "print a banner before the first reply",
        "--slow": "write replies in pieces of 1 to 100 bytes",
    }.items():
        parser.add_argument(name, action="store_true", help=text)
    for name, text in {
        "--overrun": "lose every Nth strip's rows before they are put into a strip",
        "--reboot": "restart, once, after N strips of a run",
        "--corrupt": "flip a bit in every Nth strip's reply, once a strip",
    }.items():
        parser.add_argument(name, type=int, default=0, metavar="N", help=text)
    options = parser.parse_args()

    for name in signal.SIGTERM, signal.SIGINT:
        signal.signal(name, lambda *_: sys.exit(0))
    # The board holds both ends, so a host may come and go.
    terminal, slave = os.openpty()
    tty.setraw(slave)
    if os.path.islink(options.link) and not os.path.exists(options.link):
        os.unlink(options.link)
    os.symlink(os.ttyname(slave), options.link)
    try:
        print("ready", options.link, flush=True)
        serve(Board(options), terminal)
    finally:
        os.unlink(options.link)


if __name__ == "__main__":
    main()
