"""What wheels of Python bring that is not Python."""

import importlib.util
import pathlib


def library(package: str, pattern: str) -> pathlib.Path:
    """Return the shared library that a wheel brings."""
    folder = importlib.util.find_spec(package).submodule_search_locations[0]
    return min(pathlib.Path(folder).glob(pattern))
