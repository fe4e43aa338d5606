#!/usr/bin/env bash
# Makes sure that Rust's nightly toolchain is there with the named components, for the checkers that no stable compiler has.
#
#     scripts/nightly.sh COMPONENT...
#
# Fails, and says so, where it cannot be had: what needs it is then to be skipped.
set -euo pipefail

if ! command -v rustup >/dev/null; then
    echo "nightly: SKIPPED, no rustup here: checkers need Rust's nightly toolchain with $*" >&2
    exit 1
fi
installed=$(rustup component list --toolchain nightly --installed 2>/dev/null) || installed=""
missing=()
for component in "$@"; do
    grep -q "^$component\(-\|$\)" <<<"$installed" || missing+=("$component")
done
if [ -z "$installed" ]; then
    rustup toolchain install nightly --profile minimal --no-self-update --component "$(IFS=, && echo "$*")" >&2 && exit 0
elif [ ${#missing[@]} -eq 0 ] || rustup component add "${missing[@]}" --toolchain nightly >&2; then
    exit 0
fi
echo "nightly: SKIPPED, cannot install Rust's nightly toolchain with $*" >&2
exit 1
