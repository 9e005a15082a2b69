"""Which processors the two sides of a comparison have, and what a process has used of them."""

import os
import pathlib

ONE_THREAD = {
    f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "ONEDNN")
}
TICKS = os.sysconf("SC_CLK_TCK")


def split() -> list[str]:
    """Leave the last processor to what is measured; return the words that start it there."""
    *ours, measured = sorted(os.sched_getaffinity(0))
    if ours:
        os.sched_setaffinity(0, ours)
    return ["taskset", "-c", str(measured)]


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process of ours, which may have ended but not been waited for."""
    stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    # The name, in parentheses, may contain spaces.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS
