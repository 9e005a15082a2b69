#!/usr/bin/env bash
# Makes the Python environment of the peers and of the bench from pinned packages.
#
# usage: setup.sh [VENV [REQUIREMENTS]]     default: ${XDG_CACHE_HOME:-~/.cache}/senescope/peers, and the peers'
#
# Needs Python 3.11 or later with its module venv (Debian: python3-venv).
# Prints the folder with the environment's programs as its last line.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
venv=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/senescope/peers}
requirements=${2:-$here/requirements.txt}

if ! cmp -s "$requirements" "$venv/installed.txt"; then
    /usr/bin/python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --no-input --requirement "$requirements" >&2
    cp "$requirements" "$venv/installed.txt"
fi
echo "$venv/bin"
