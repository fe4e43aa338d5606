#!/bin/sh
# Everything about GPUs on a machine that has one: the conformance tests, then times, into a record.
#
#     bench/cuda.sh [RECORD]
set -eu
cd "$(dirname "$0")/.."
record=${1:-bench/records/$(date +%F)_cuda.md}

# On a GPU a test that skips itself would look as if it had passed.
EMUCELL_REQUIRE_GPU=1 EMUCELL_REQUIRE_ALL=1 cargo test --features cuda,cli --test cuda
# What a kernel does wrong without a wrong result: foreign memory, races in shared memory.
if command -v compute-sanitizer >/dev/null; then
    tests=$(EMUCELL_REQUIRE_GPU=1 cargo test --features cuda,cli --test cuda --no-run 2>&1 |
        sed -n 's/.*Executable.*(\(.*\))$/\1/p')
    for tool in memcheck racecheck; do
        EMUCELL_REQUIRE_GPU=1 compute-sanitizer --tool "$tool" --error-exitcode 1 \
            "$tests" on_gpu::networks on_gpu::steps --test-threads 1
    done
else
    echo "no compute-sanitizer (it comes with the CUDA toolkit): kernels are not checked for races" >&2
fi
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
