#!/bin/sh
# Makes models/ensemble from nothing, with one command; see `run.sh --help`.
#
# Sets up the Python environment, builds the program unless `--senescope BIN` names one, then
# simulates dishes, cuts tiles, trains, exports and judges. `--small` goes through all of it in
# minutes, to see that it works; its network is of no use, so give it another `--out`.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
python=$("$here/setup.sh" | tail -n 1)

case " $* " in
*" --senescope "* | *" --senescope="* | *" --help "* | *" -h "*) ;;
*)
    cargo build --release --quiet --manifest-path "$root/Cargo.toml"
    set -- --senescope "${CARGO_TARGET_DIR:-$root/target}/release/senescope" "$@"
    ;;
esac

# The network's threads wait between layers; spinning would take the cores from each other.
export OMP_WAIT_POLICY=PASSIVE
export PYTHONPATH="$here/.."
exec "$python" -m recipe.run "$@"
