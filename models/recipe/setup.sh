#!/bin/sh
# Makes the Python environment of the recipe: Debian's PyTorch plus pinned packages.
#
# usage: setup.sh [VENV]     default: ${XDG_CACHE_HOME:-~/.cache}/senescope/recipe-venv
#
# PyTorch comes from Debian because PyPI's wheel pulls gigabytes of GPU libraries.
# Prints the path of the environment's Python as its last line.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
venv=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/senescope/recipe-venv}
system_python=/usr/bin/python3
stamp=$venv/.senescope-requirements
want=$(cat "$here/requirements.txt" "$here/requirements-no-deps.txt" | cksum)

if ! "$system_python" -c 'import torch, torchvision' 2>/dev/null; then
    as_root=
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    $as_root apt-get update -qq
    $as_root apt-get install -y -qq --no-install-recommends \
        python3-torch python3-torchvision python3-venv libopenblas0-pthread >&2
fi

if [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$want" ]; then
    "$system_python" -m venv --system-site-packages "$venv"
    "$venv/bin/python" -m pip install --quiet --requirement "$here/requirements.txt" >&2
    "$venv/bin/python" -m pip install --quiet --no-deps \
        --requirement "$here/requirements-no-deps.txt" >&2
    printf '%s\n' "$want" > "$stamp"
fi

echo "$venv/bin/python"
