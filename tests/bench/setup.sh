#!/usr/bin/env bash
# Makes the Python environment of the pipelines that the bench compares the daemon with.
#
# usage: setup.sh [VENV]     default: ${XDG_CACHE_HOME:-~/.cache}/senescope/bench
#
# Needs Python 3.11 or later with its module venv (Debian: python3-venv). PyTorch is not in it: that
# peer runs in the environment of models/recipe/setup.sh.
# Prints the folder with the environment's programs as its last line.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
venv=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/senescope/bench}

if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
    /usr/bin/python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --no-input --requirement "$here/requirements.txt" >&2
    cp "$here/requirements.txt" "$venv/installed.txt"
fi
echo "$venv/bin"
