"""Names and numbers that the recipe shares with the program that runs the ensemble."""

from pathlib import Path

CLASSES = ("proliferating", "senescent")
SENESCENT = CLASSES.index("senescent")
CHANNELS = ("TRANS", "SRS", "TPEF")
TILE_PIXELS = 128
GOLDEN_TILES = 4

# How the program cuts and normalises a tile; see the manifest's description in the README.
TILE = {"size_um": 51.2, "pixels": TILE_PIXELS, "margin_um": 2.0, "taper_um": 1.0}
NORMALISATION = [
    {"channel": "TRANS", "rule": "relative", "span": 0.4},
    {"channel": "SRS", "rule": "mean_in_cell", "span": 4.0},
    {"channel": "TPEF", "rule": "mean_in_cell", "span": 4.0},
]
# Part of the cells of each class whose conformal set has the class.
COVERAGE = 0.95

ENSEMBLE_DIR = Path(__file__).resolve().parents[1] / "ensemble"
