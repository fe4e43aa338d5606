#!/usr/bin/env bash
# The plug-in in MonoAlg3D itself: accuracy and speed of surrogates beside the stock models, as tables in Markdown.
#
#     SIM=/path/to/MonoAlg3D_C tests/monoalg3d/run.sh [options and cases of proof.py]
#
# Needs a built simulator (`./build.sh simulator disable_cuda` there), and takes hours for all cases; what was computed is
# kept in build/monoalg3d/proof. EMUCELL and LIBRARY may name an emucell program with training, and the folder of
# libemucell.so, that are there already.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
root=$(dirname "$(dirname "$here")")

if [ -z "${SIM:-}" ] || [ ! -x "$SIM/bin/MonoAlg3D" ]; then
    echo "monoalg3d: skipped: SIM=${SIM:-} names no built checkout of MonoAlg3D_C (it would have bin/MonoAlg3D)" >&2
    exit 0
fi
SIM=$(cd "$SIM" && pwd -P)
cd "$root"
folder=$root/build/monoalg3d
mkdir -p "$folder/proof"
if [ -z "${LIBRARY:-}" ]; then
    make build
    LIBRARY=${CARGO_TARGET_DIR:-target}/release
fi
if [ -z "${EMUCELL:-}" ]; then
    scripts/setup.sh libtorch
    cargo build --release --features cli,train
    EMUCELL=${CARGO_TARGET_DIR:-target}/release/emucell
fi
cpp_examples/monoalg3d/build.sh "$SIM" "$LIBRARY" "$folder/libemucell_monoalg3d.so" >&2
real=()
if grep -q '^C_FLAGS=.*CELL_MODEL_REAL_DOUBLE' "$SIM/build.sh"; then real=(-DCELL_MODEL_REAL_DOUBLE); fi
gcc -std=gnu11 -O2 -fPIC -shared -Wall -Wextra -Werror "${real[@]}" -isystem "$SIM/src" "$here/measure.c" \
    -o "$folder/measure.so"
gcc -std=gnu11 -D_GNU_SOURCE -O2 -fopenmp -rdynamic "${real[@]}" "$here/host.c" -o "$folder/host" -ldl -lm
gcc -std=gnu11 -O2 -I include "$here/overhead.c" -o "$folder/overhead" -L "$LIBRARY" -lemucell \
    -Wl,-rpath,"$(realpath "$LIBRARY")"
# onnx, for a surrogate whose domain no cell is in
python=python3
[ ! -x .python/bin/python ] || python=.python/bin/python
exec "$python" "$here/proof.py" "$SIM" "$folder/libemucell_monoalg3d.so" "$folder/measure.so" "$(realpath "$EMUCELL")" \
    "$folder/proof" "$@"
