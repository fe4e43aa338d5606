#!/bin/sh
# Everything about GPUs on a machine that has one: the conformance tests, then times, into a record.
#
#     bench/cuda.sh [RECORD]
set -eu
cd "$(dirname "$0")/.."
record=${1:-bench/records/$(date +%F)_cuda.md}

# On a GPU a test that skips itself would look as if it had passed.
EMUCELL_REQUIRE_GPU=1 EMUCELL_REQUIRE_ALL=1 cargo test --features cuda,cli --test cuda
temporary=$(mktemp)
trap 'rm -f "$temporary"' EXIT
{
    echo "# $(nvidia-smi --query-gpu=name,driver_version,clocks.max.sm --format=csv,noheader | head -n 1)"
    echo
    echo "$(date +%F), commit $(git describe --always --dirty). Times by the GPU's clock, warm, medians; random weights; errors against double precision."
    cargo bench --features cuda,cli --bench cuda
} >"$temporary"
mv "$temporary" "$record"
chmod 644 "$record"
trap - EXIT
echo "$record"
