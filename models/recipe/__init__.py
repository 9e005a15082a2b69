"""Recipe that makes a senescope ensemble: train, calibrate, export, explain, judge.

Every step is a module with a command line (``python -m recipe.<step> --help``);
``run.sh`` runs them in order. Tiles come from ``senescope tiles`` only: nothing here
cuts, masks or normalises an image.
"""

RECIPE_VERSION = "1"
