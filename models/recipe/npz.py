"""NPZ files whose bytes depend on their arrays only, so that their digests can be compared."""

import io
import zipfile
from pathlib import Path

import numpy as np

# The ZIP epoch: no file carries the time at which it was written.
FIXED_TIME = (1980, 1, 1, 0, 0, 0)


def write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write an uncompressed NPZ of float32 arrays in C order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            contiguous = np.ascontiguousarray(array, dtype="<f4")
            np.lib.format.write_array(buffer, contiguous, version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", FIXED_TIME), buffer.getvalue())


def read(path: Path) -> dict[str, np.ndarray]:
    """Read every array of an NPZ."""
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}
