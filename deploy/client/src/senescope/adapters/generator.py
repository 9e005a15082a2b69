"""Frames from anything that can be iterated over: a list, a generator, a loop over files.

It is asked for a frame when the one before was taken, and so goes as fast as the daemon. What may
not wait, such as a camera, gives its images to a `BackgroundPusher`.
"""

from collections.abc import Iterable, Mapping

from senescope.ingest import Image, Pusher


def push_all(pusher: Pusher, frames: Iterable[Mapping[str, Image]], first: int = 0) -> int:
    """Push each item as a frame, numbered from `first` on, and return the number after the last."""
    number = first
    for images in frames:
        pusher.push(number, images)
        number += 1
    return number
