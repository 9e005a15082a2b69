"""CPU seconds of this process by stage."""

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator


class Stopwatch:
    """Adds up CPU time by the name of a stage; runs from its making on."""

    def __init__(self):
        self.stages: dict[str, float] = defaultdict(float)
        self.cpu, self.wall = time.process_time(), time.perf_counter()

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count what happens inside as `name`."""
        begin = time.process_time()
        yield
        self.stages[name] += time.process_time() - begin

    def totals(self) -> dict[str, float]:
        """Return CPU and wall seconds since it was made."""
        return {
            "cpu_s": time.process_time() - self.cpu,
            "wall_s": time.perf_counter() - self.wall,
        }
