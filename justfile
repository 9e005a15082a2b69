# The commands of this project. `just check` is what the continuous integration runs.

# Build and start the service on the simulated microscope.
run *args:
    cargo run --release -- {{args}}

# Format and lint only: the first rung.
fast:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Everything: format, lints, tests, documentation, licences, independent peers.
check:
    .ci/run

# The Debian package, in target/debian.
package:
    cargo build --release --locked
    deploy/debian/build target/release/senescope target/debian

# Figures: labels of a live scan with each inference library, threads, memory.
bench *args:
    cargo build --release --locked
    tests/bench/live {{args}} target/release/senescope

# The daemon beside Python pipelines on the same recording.
compare *args:
    tests/bench/compare {{args}}

# What each stage costs, a frame and a cell.
bench-stages *args:
    cargo bench --locked --bench stages -- {{args}}
