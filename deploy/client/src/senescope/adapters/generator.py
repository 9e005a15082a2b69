"""Frames from anything that can be iterated over: a list, a generator, a camera's loop."""

from collections.abc import Iterable, Mapping

from senescope.ingest import Image, Pusher


def push_all(pusher: Pusher, frames: Iterable[Mapping[str, Image]], first: int = 0) -> int:
    """Push each item as a frame, numbered from `first` on, and return the number after the last."""
    number = first
    for images in frames:
        pusher.push(number, images)
        number += 1
    return number
