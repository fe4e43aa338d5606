#!/bin/sh
# Everything about GPUs on a machine that has one: the conformance tests, then times, into a record.
#
#     bench/cuda.sh [RECORD]
#
# NVRTC is the one that scripts/setup.sh nvrtc fetched, or the machine's. PyTorch and ONNX Runtime for GPUs are taken from
# the Python that PYTHON names, where there are any.
set -eu
cd "$(dirname "$0")/.."
if ! command -v nvidia-smi >/dev/null; then
    echo "bench/cuda.sh: no nvidia-smi: this needs a machine with an NVIDIA GPU and its driver" >&2
    exit 1
fi
gpu=$(nvidia-smi --query-gpu=name --format=csv,noheader | head -n 1 | tr -cs 'A-Za-z0-9\n' '_' | tr 'A-Z' 'a-z')
record=${1:-bench/records/$(date +%F)_$gpu.md}
python=${PYTHON:-python3}
if [ -z "${EMUCELL_NVRTC:-}" ] && [ -e .nvrtc/libnvrtc.so.13 ]; then
    EMUCELL_NVRTC=$PWD/.nvrtc/libnvrtc.so.13
    export EMUCELL_NVRTC
fi

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
    echo
    echo "## Beside PyTorch and ONNX Runtime"
    echo
    cargo build --release --features cuda,cli --bin emucell >&2
    "$python" bench/side_by_side_cuda.py "${CARGO_TARGET_DIR:-target}/release/emucell" ||
        echo "The comparison with PyTorch and ONNX Runtime failed."
} >"$temporary"
mv "$temporary" "$record"
chmod 644 "$record"
trap - EXIT
echo "$record"
