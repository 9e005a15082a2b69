"""Cells as they are classified, in napari: outlines in the colour of their label, and maps.

python live_napari.py [--recordings DIR]

The stream has no images. With the folder in which the daemon records (on this machine or a share),
a frame is shown with its image when its file is there, which is one frame later. Needs
`pip install 'senescope[napari]'`.
"""

import argparse
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from senescope import Event, Label, Map, RunStart, Subscriber

COLOURS = {
    "senescent": "orange",
    "proliferating": "dodgerblue",
    "uncertain": "white",
    "atypical": "magenta",
}
# Each channel has its colour, as in the pictures of `senescope replay --pictures`.
CHANNELS = {"SRS": "yellow", "TPEF": "green", "TRANS": "gray"}


class View:
    """The layers of one frame, which the next one replaces."""

    def __init__(self, viewer: Any, recordings: pathlib.Path | None):
        self.viewer = viewer
        self.recordings = recordings
        self.folder: pathlib.Path | None = None
        self.start: RunStart | None = None
        self.frame = -1
        # What waits for the image of its frame.
        self.held: list[Label | Map] = []
        self.maps = viewer.add_image(
            np.zeros((1, 1), np.float32),
            name="map",
            colormap="inferno",
            blending="additive",
            opacity=0.4,
            contrast_limits=(0, 1),
        )
        self.outlines = viewer.add_shapes(name="cells", face_color="transparent")

    def take(self, event: Event) -> None:
        """Show an event, at once or with the image of its frame."""
        if isinstance(event, RunStart):
            self.begin(event)
        elif self.start is not None and isinstance(event, Label | Map):
            self.held.append(event)
            while self.held and (path := self.ready(self.held[0].frame, event.frame)):
                self.show_frame(self.start, self.held[0].frame, path)

    def ready(self, frame: int, latest: int) -> pathlib.Path | None:
        """Return the file of a frame that can be shown; it is not there when it will not come."""
        if self.recordings is None or self.start is None:
            return pathlib.Path()
        path = self.find(self.start.run) / f"frame-{frame:08}.ome.tif"
        return path if path.exists() or frame <= self.frame or frame < latest - 1 else None

    def show_frame(self, start: RunStart, frame: int, path: pathlib.Path) -> None:
        """Show what is held of a frame, on its image."""
        if frame > self.frame:
            self.clear(frame)
            if path.is_file():
                self.show_image(start, path)
        of_frame = [event for event in self.held if event.frame == frame]
        self.held = [event for event in self.held if event.frame > frame]
        for event in of_frame if frame == self.frame else ():
            self.show(event)

    def begin(self, start: RunStart) -> None:
        """Make room for a run."""
        self.start, self.folder, self.held = start, None, []
        self.maps.data = np.zeros((start.height, start.width), np.float32)
        for layer in (self.maps, self.outlines):
            layer.scale, layer.units = (start.pixel_size_um, start.pixel_size_um), ("um", "um")
        self.viewer.scale_bar.visible = True
        self.clear(-1)
        self.viewer.reset_view()

    def clear(self, frame: int) -> None:
        """Begin a frame."""
        self.frame = frame
        self.outlines.data = []
        self.maps.data[:] = 0
        self.maps.refresh()

    def show(self, event: Label | Map) -> None:
        """Show a cell, or its map."""
        if isinstance(event, Label):
            # Points of a label are x, y.
            outline = np.array(event.outline)[:, ::-1]
            colour = COLOURS.get(event.label, "white")
            style = {"edge_color": colour, "face_color": "transparent", "edge_width": 2}
            self.outlines.add_polygons(outline, **style)
            self.viewer.status = f"{event.label}, p = {event.p_senescent:.2f}"
        elif event.member == "mean":
            paint(self.maps.data, event)
            self.maps.refresh()

    def show_image(self, start: RunStart, path: pathlib.Path) -> None:
        """Show the channels of a frame."""
        import tifffile

        channels = [channel["name"] for channel in start.header["channels"]]
        for name, image in zip(channels, tifffile.imread(path), strict=True):
            if name in self.viewer.layers:
                self.viewer.layers[name].data = image
            else:
                self.viewer.add_image(
                    image,
                    name=name,
                    colormap=CHANNELS.get(name, "gray"),
                    blending="additive",
                    opacity=0.5,
                    scale=self.maps.scale,
                    units=self.maps.units,
                )
                self.viewer.layers.move(len(self.viewer.layers) - 1, 0)

    def find(self, run: str) -> pathlib.Path:
        """Return the recording of a run, which may not be there."""
        if self.folder is None and self.recordings is not None:
            for path in self.recordings.glob(f"*-{run[:8]}/run.json"):
                if json.loads(path.read_bytes())["run"] == run:
                    self.folder = path.parent
        return self.folder or pathlib.Path("nowhere")


def paint(canvas: npt.NDArray[np.float32], cam: Map) -> None:
    """Paint a map where it belongs, as far as that is within the frame."""
    x, y, width, height = cam.bbox
    rows = np.arange(max(0, round(y)), min(canvas.shape[0], round(y + height)))
    columns = np.arange(max(0, round(x)), min(canvas.shape[1], round(x + width)))
    if len(rows) and len(columns):
        from_row = ((rows + 0.5 - y) / height * cam.values.shape[0]).astype(int)
        from_column = ((columns + 0.5 - x) / width * cam.values.shape[1]).astype(int)
        limits = [length - 1 for length in cam.values.shape]
        part = cam.values[np.ix_(from_row.clip(0, limits[0]), from_column.clip(0, limits[1]))]
        place = np.ix_(rows, columns)
        canvas[place] = np.maximum(canvas[place], part)


def main() -> None:
    """Open napari, and show what comes."""
    import napari
    from napari.qt.threading import thread_worker

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recordings", type=pathlib.Path, help="folder of the daemon's recordings")
    parser.add_argument("--labels", default="tcp://127.0.0.1:5556")
    parser.add_argument("--maps", default="tcp://127.0.0.1:5557")
    parser.add_argument("--control", default="tcp://127.0.0.1:5558")
    given = parser.parse_args()
    view = View(napari.Viewer(title="senescope"), given.recordings)

    # Its events are shown by the thread of the window.
    @thread_worker(connect={"yielded": view.take})  # type: ignore[untyped-decorator]
    def follow() -> Iterator[Event]:
        with Subscriber(given.labels, given.maps, given.control, history=False) as subscriber:
            yield from subscriber.events()

    worker = follow()
    napari.run()
    worker.quit()


if __name__ == "__main__":
    main()
