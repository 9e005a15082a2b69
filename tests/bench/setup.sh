#!/usr/bin/env bash
# Makes the Python environment of the pipelines that the bench compares the daemon with.
#
# usage: setup.sh [VENV]     default: ${XDG_CACHE_HOME:-~/.cache}/senescope/bench
#
# PyTorch is not in it: that peer runs in the environment of models/recipe/setup.sh.
# Prints the folder with the environment's programs as its last line.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
exec "$here/../peers/setup.sh" "${1:-${XDG_CACHE_HOME:-$HOME/.cache}/senescope/bench}" "$here/requirements.txt"
