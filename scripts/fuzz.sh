#!/usr/bin/env bash
# Fuzzes what reads untrusted files, one reader after the other, and says how far it came:
#
#     scripts/fuzz.sh [TARGET…]        # all of fuzz/fuzz_targets if none is named
#     RUNS=10000000 SECONDS_A_TARGET=0 scripts/fuzz.sh
#
# A fault ends it and leaves the input in fuzz/artifacts. Inputs that were found to matter stay in fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"

runs=${RUNS:-10000000}
limit=${SECONDS_A_TARGET:-0} # 0: no limit
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(onnx pth npy npz csv recipe)

say() { echo "fuzz: $*"; }

if ! rustup toolchain list | grep -q ^nightly; then
    say "installing Rust's nightly toolchain, which libFuzzer's instrumentation needs"
    rustup toolchain install nightly --profile minimal
fi
if ! cargo fuzz --version >/dev/null 2>&1; then
    say "installing cargo-fuzz"
    cargo install cargo-fuzz --locked
fi

# Sanitizer and longest input of a target. Surrogates run on kernels with unsafe code: AddressSanitizer watches. The
# others are safe code, four times as fast without it; the targets bound their memory themselves.
sanitizer_of() { case $1 in onnx) echo address ;; *) echo none ;; esac; }
max_length_of() { case $1 in onnx | recipe) echo 4096 ;; npz) echo 2048 ;; pth) echo 1024 ;; *) echo 512 ;; esac; }

cargo run --quiet --example seeds

for target in "${targets[@]}"; do
    sanitizer=$(sanitizer_of "$target")
    # A folder for each set of compiler flags and features, so that targets do not rebuild each other's dependencies.
    folder=target/$sanitizer
    features=()
    if [ "$target" = recipe ]; then
        [ -e ../.libtorch ] || ../scripts/setup.sh libtorch
        export LD_LIBRARY_PATH=$PWD/../.libtorch/torch/lib
        folder=target/libtorch
        features=(--features recipe)
    fi
    cargo +nightly fuzz build --sanitizer "$sanitizer" --target-dir "$folder" "${features[@]}" "$target"
    binary=$(echo "$folder"/*/release/"$target")
    dictionary=dictionaries/$target.dict
    mkdir -p "artifacts/$target" "corpus/$target"
    log=artifacts/$target.log
    arguments=(-runs="$runs" -max_total_time="$limit" -max_len="$(max_length_of "$target")" -timeout=10
        -malloc_limit_mb=64 -rss_limit_mb=1024 -print_final_stats=1 -artifact_prefix="artifacts/$target/")
    [ ! -e "$dictionary" ] || arguments+=(-dict="$dictionary")
    say "$target, $runs runs (log: fuzz/$log)"
    if ! "$binary" "${arguments[@]}" "corpus/$target" >"$log" 2>&1; then
        grep -E "panicked|ERROR|SUMMARY|Test unit" -A 1 "$log" >&2 || tail -n 20 "$log" >&2
        say "$target failed; again: fuzz/$binary FILE" >&2
        exit 1
    fi
    awk -v target="$target" '
        /number_of_executed_units/ { runs = $2 }
        /average_exec_per_sec/ { rate = $2 }
        /^#.* cov: / { for (i = 1; i < NF; i++) if ($i == "cov:") edges = $(i + 1) }
        END { printf "fuzz: %s: %d executions without a fault, %d a second, %d edges\n", target, runs, rate, edges }
    ' "$log"
done
