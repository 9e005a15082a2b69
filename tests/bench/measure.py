"""Prints latency, throughput and memory of the program; see `run`.

Usage: measure.py SENESCOPE.

Live: four simulated frames of 512 x 512 pixels at 20 us a pixel, in real time, with one and two
engine threads. The latencies are those of the last `stat` message; `total` counts from the scan of
the row that decided a cell, which is at most the look-ahead below its last one. The goal is a 95th
percentile of 250 ms.

Replay: the same dish from files, as fast as it goes, from the start of the run to its end; one and
two threads alternate, so that both see the same machine.
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

import zmq

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "peers"))
from daemon import Ports  # noqa: E402
from stream import messages_of_run, subscriber  # noqa: E402

GOAL_MS = 250
LIVE_FRAMES = 4
REPLAY_FRAMES, REPEATS = 8, 3
THREADS = (1, 2)


def run(context: zmq.Context, *command: str) -> tuple[dict[str, dict], int]:
    """Run a publishing command; return its start, last stat and end, and its peak memory in MiB."""
    ports = Ports()
    labels, maps = subscriber(context, ports.labels), subscriber(context, ports.maps)
    ports.await_subscribers()
    process = subprocess.Popen(
        [*command, *ports.arguments()], cwd=HERE.parents[1], stdout=subprocess.DEVNULL
    )
    seen = {}
    for header, _ in messages_of_run(labels, maps):
        seen[header.get("phase", header["type"])] = header
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{command[1]} ended with {process.returncode}")
    return seen, usage.ru_maxrss // 1024


def live(context: zmq.Context, program: str, threads: int) -> None:
    """Print the latencies of a live run by stage."""
    settings = [f"engine.threads={threads}", "sim.speed=1"]
    arguments = [word for setting in settings for word in ("--set", setting)]
    seen, peak_mib = run(context, program, "run", "--frames", str(LIVE_FRAMES), *arguments)
    stat, sent = seen["stat"], seen["end"]["totals"]["label"]["sent"]
    print(f"\n{LIVE_FRAMES} live frames, {threads} engine thread(s)")
    print("  stage       p50 ms   p95 ms   p99 ms   max ms")
    for stage, latency in stat["latency"].items():
        figures = (latency[f"{name}_ns"] / 1e6 for name in ("p50", "p95", "p99", "max"))
        print(f"  {stage:8}", *(f"{figure:8.1f}" for figure in figures))
    print(f"  {sent} labels, {stat['labels_before_frame_end']} before their frame's end")
    p95_ms = stat["latency"]["total"]["p95_ns"] / 1e6
    verdict = "within" if p95_ms <= GOAL_MS else "BEYOND"
    print(f"  95 % of the labels in {p95_ms:.0f} ms, {verdict} the goal of {GOAL_MS} ms")
    print(f"  peak {peak_mib} MiB")


def replays(context: zmq.Context, program: str, folder: pathlib.Path) -> None:
    """Print frames a second with one and two threads and their ratio."""
    subprocess.run(
        [program, "simulate", "--out", folder, "--frames", str(REPLAY_FRAMES), "--seed", "7"],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (dish,) = folder.iterdir()
    rates: dict[int, list[float]] = {threads: [] for threads in THREADS}
    peaks = dict.fromkeys(THREADS, 0)
    labels = 0
    for _ in range(REPEATS):
        for threads in THREADS:
            arguments = ("--publish", "--threads", str(threads), str(dish))
            seen, peak_mib = run(context, program, "replay", *arguments)
            seconds = (seen["end"]["t_pub_ns"] - seen["start"]["t_pub_ns"]) / 1e9
            rates[threads].append(seen["end"]["rows"]["frames"] / seconds)
            peaks[threads] = max(peaks[threads], peak_mib)
            labels = seen["end"]["totals"]["label"]["sent"]
    print(f"\nReplay of {REPLAY_FRAMES} frames with {labels} cells, best of {REPEATS}")
    for threads in THREADS:
        print(
            f"  {threads} thread(s): {max(rates[threads]):.2f} frames/s, peak {peaks[threads]} MiB"
        )
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    print(f"  2 threads are {statistics.median(ratios):.2f} times as fast as 1 (median of pairs)")


def main() -> None:
    """Print everything."""
    program = sys.argv[1]
    context = zmq.Context()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} before the start")
    for threads in THREADS:
        live(context, program, threads)
    with tempfile.TemporaryDirectory() as folder:
        replays(context, program, pathlib.Path(folder))
    context.destroy(linger=0)


if __name__ == "__main__":
    main()
