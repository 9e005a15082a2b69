"""Reads the frames of a folder of OME-TIFFs with tifffile."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import tifffile

OME = "{http://www.openmicroscopy.org/Schemas/OME/2016-06}"


@dataclass(frozen=True)
class Frame:
    """Counts by channel (rows x columns, uint16), the counts without light, and a pixel's edge."""

    index: int
    counts: dict[str, np.ndarray]
    dark: dict[str, float]
    pixel_size_um: float


def read(path: Path, index: int) -> Frame:
    """Read a file of one frame, channels x rows x columns."""
    with tifffile.TiffFile(path) as tiff:
        root = ElementTree.fromstring(tiff.ome_metadata)
        planes = tiff.asarray()
    pixels = root.find(f".//{OME}Pixels")
    names = [channel.get("Name") for channel in pixels.iter(f"{OME}Channel")]
    notes = {note.get("K"): note.text for note in root.iter(f"{OME}M")}
    dark = {name: float(notes.get(f"channel.{at}.dark_counts", 0)) for at, name in enumerate(names)}
    counts = dict(zip(names, planes, strict=True))
    return Frame(index, counts, dark, float(pixels.get("PhysicalSizeX")))


def files(folder: Path) -> list[Path]:
    """Return the files of a recording in their order."""
    found = sorted(folder.glob("frame-*.ome.tif"))
    if not found:
        raise SystemExit(f"{folder} has no files frame-*.ome.tif")
    return found


def frames(folder: Path) -> Iterator[Frame]:
    """Read the frames one after the other."""
    for index, path in enumerate(files(folder)):
        yield read(path, index)
