#!/usr/bin/env bash
# Runs tests built for 64-bit ARM, on such a processor as QEMU plays it.
#
#     scripts/aarch64.sh CARGO_TEST_ARGUMENT...
#
# Where something is missing it says so and does nothing; in continuous integration that is a failure.
set -euo pipefail

readonly target=aarch64-unknown-linux-gnu
readonly sysroot=/usr/aarch64-linux-gnu

skip() {
    echo "aarch64: SKIPPED, $*" >&2
    [ -z "${CI:-}${EMUCELL_REQUIRE_ALL:-}" ] || exit 1
    exit 0
}

if [ "$(uname -m)" = aarch64 ]; then
    exec cargo test "$@"
fi
for program in rustup qemu-aarch64 aarch64-linux-gnu-gcc; do
    command -v "$program" >/dev/null || skip "no $program here (Debian's packages: qemu-user, gcc-aarch64-linux-gnu)"
done
[ -e "$sysroot/lib/libm.so.6" ] || skip "no C library for it here (Debian's package: libc6-dev-arm64-cross)"
rustup target add "$target" >&2 || skip "cannot install Rust's standard library for $target"

export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L $sysroot"
exec cargo test --target "$target" "$@"
