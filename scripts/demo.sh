#!/usr/bin/env bash
# What `make demo` does: trains a solution map and a step map of the FitzHugh-Nagumo model, steps a sheet of tissue with
# the step map and with a solver, and draws reports. Results go to the folder given (demo by default). Interrupt it when you
# like: a second run goes on where the first one stopped.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-demo}
mkdir -p "$out" build/examples

started=$SECONDS
step() { printf '\n== %s\n' "$*"; }

step "1/4  building the emucell program, the library and the examples"
cargo build --release --features cli,train
make --no-print-directory build
emucell=target/release/emucell
library=(target/release/libemucell.a -pthread -lgcc_s -ldl -lm)
gcc -std=c99 -O2 -Iinclude cpp_examples/01_evaluate.c "${library[@]}" -o build/examples/01_evaluate
for example in 02_step 03_tissue; do
    g++ -std=c++17 -O3 -march=native -Iinclude "cpp_examples/$example.cpp" "${library[@]}" -o "build/examples/$example"
done

step "2/4  generating data and training (at most 110 s and 50 s; Ctrl-C stops, the next run goes on)"
for map in c d; do
    "$emucell" train "experiments/demo_fhn_$map.toml" --out "$out/fhn_$map"
done

step "3/4  the examples, on the trained surrogates through the C library"
build/examples/01_evaluate "$out/fhn_c/surrogate.onnx"
build/examples/02_step "$out/fhn_d/surrogate.onnx"
build/examples/03_tissue "$out/fhn_d/surrogate.onnx" --nx 200 --ny 200 --t-end 120 --s2 20 \
    --snapshots "$out/spiral.npy" --json "$out/spiral.json" >/dev/null
build/examples/03_tissue "$out/fhn_d/surrogate.onnx" --t-end 24 --snapshots "$out/tissue.npy" --json "$out/tissue.json"

step "4/4  reports"
"$emucell" report "$out/fhn_c/surrogate.onnx" --out "$out/report_c" --losses "$out/fhn_c/losses.csv"
"$emucell" report "$out/fhn_d/surrogate.onnx" --out "$out/report_d" --losses "$out/fhn_d/losses.csv" \
    --tissue "$out/tissue.npy" --tissue-json "$out/tissue.json"
"$emucell" report "$out/fhn_d/surrogate.onnx" --out "$out/report_spiral" \
    --tissue "$out/spiral.npy" --tissue-json "$out/spiral.json" >/dev/null

python3 scripts/demo_table.py "$out"
printf 'Done in %s s. Pictures: report.html in %s/report_c, report_d and report_spiral\n' $((SECONDS - started)) "$out"
