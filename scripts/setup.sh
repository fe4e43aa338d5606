#!/usr/bin/env bash
# Fetches what emucell is built and tested with and what no package manager of the system has. See `help` below.
#
# Everything heavy goes into the user's cache folder, where all checkouts share it; the checkout gets two symbolic links to
# it, `.libtorch` and `.python`. A folder in the cache is complete as soon as it has its final name: it is filled under
# another name and then renamed, so an interrupted run leaves nothing that a later run would take for finished.
set -euo pipefail

readonly torch_version=2.11.0
# As rust-version in Cargo.toml.
readonly oldest_rust=1.91
readonly oldest_python=3.9
# The Pythons that have a wheel of PyTorch (see requirements-libtorch.txt), and the one whose wheel stands in for any other
# Python when only the C++ libraries are wanted.
readonly torch_pythons="3.10 3.11 3.12 3.13 3.14"
readonly fallback_python=3.12

scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
checkout=$(dirname "$scripts")
cache=${EMUCELL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/emucell}
case $cache in /*) ;; *) cache=$PWD/$cache ;; esac
python=${PYTHON:-python3}
readonly scripts checkout cache python

help() {
    cat <<EOF
Usage: scripts/setup.sh COMMAND

  check                say what is missing on this machine, and how to install it
  packages             install what the tests of the C library use and skip otherwise (gfortran, cmake, pkg-config,
                       valgrind, Open MPI, libclang, QEMU and a compiler for 64-bit ARM): with apt-get for root on Debian or Ubuntu; elsewhere say what to install
  libtorch [cpu|cuda]  libtorch $torch_version, which training is built on: .libtorch
                       (cpu: 0.5 GB to download, 0.6 GB on disk; cuda: for an NVIDIA GPU too, 2.5 GB to download,
                       3.8 GB on disk; neither word: what .libtorch is already, else cpu)
  python               numpy, onnx, onnxruntime and PyTorch (CPU) for the tests: .python/bin/python
                       (0.1 GB to download, 0.3 GB on disk, after libtorch)
  nvrtc                NVIDIA's compiler of kernels, for tests of the feature cuda: .nvrtc (0.1 GB to download and on disk)
  all                  libtorch, then python
  help                 this text

What is already there is not fetched again. Environment:
  EMUCELL_CACHE  the folder where it all goes, now $cache;
                 delete it whenever you like, the next run fetches what it needs
  LIBTORCH       a folder of libtorch or PyTorch $torch_version of your own, to use instead of fetching one
  PYTHON         the interpreter to use (python3)
EOF
}

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
    say "$@"
    exit 1
}

# --- prerequisites ----------------------------------------------------------------------------------------------------------

at_least() { [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; } # at_least VERSION MINIMUM
have() { command -v "$1" >/dev/null 2>&1; }

check() {
    local missing=() packages=() program version rust_is_missing=""
    for program in cargo rustc; do
        if ! have "$program"; then
            missing+=("$program $oldest_rust or later")
            rust_is_missing=yes
        fi
    done
    if have rustc; then
        version=$(rustc --version 2>/dev/null | cut -d ' ' -f 2) || version=""
        if [ -z "$version" ] || ! at_least "$version" "$oldest_rust"; then
            missing+=("Rust $oldest_rust or later (rustc: ${version:-none that starts})")
            rust_is_missing=yes
        fi
    fi
    for program in gcc g++ make; do
        if ! have "$program"; then
            missing+=("$program")
            packages+=("$program")
        fi
    done
    if ! have flock; then
        missing+=("flock")
        packages+=("util-linux")
    fi
    if ! have "$python"; then
        missing+=("Python $oldest_python or later, with pip ($python: not found)")
        packages+=(python3 python3-pip)
    else
        version=$("$python" -c 'import platform; print(platform.python_version())' 2>/dev/null) || version=""
        if [ -z "$version" ] || ! at_least "$version" "$oldest_python"; then
            missing+=("Python $oldest_python or later ($python: ${version:-none that starts})")
            packages+=(python3 python3-pip)
        elif ! "$python" -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec("pip") is None)'; then
            missing+=("pip for $python")
            packages+=(python3-pip)
        fi
    fi
    [ ${#missing[@]} -gt 0 ] || return 0

    {
        echo "setup: missing on this machine:"
        printf '  - %s\n' "${missing[@]}"
        echo "To install:"
        [ ${#packages[@]} -eq 0 ] || echo "  Debian, Ubuntu: sudo apt-get install ${packages[*]}"
        [ -z "$rust_is_missing" ] || echo "  Rust: rustup (https://rustup.rs), then: rustup update stable && rustup default stable"
    } >&2
    exit 1
}

# What only tests use, and the package that has it.
packages() {
    local missing=() program package
    for program in gcc:gcc g++:g++ make:make gfortran:gfortran cmake:cmake pkg-config:pkg-config valgrind:valgrind \
        readelf:binutils mpicxx:libopenmpi-dev mpirun:openmpi-bin qemu-aarch64:qemu-user \
        aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu; do
        package=${program#*:}
        have "${program%%:*}" || missing+=("$package")
    done
    # A C library to link with, of which no program tells.
    [ -e /usr/aarch64-linux-gnu/lib/libm.so.6 ] || missing+=(libc6-dev-arm64-cross)
    # The Rust crate of MPI reads mpi.h with it.
    compgen -G '/usr/lib/llvm-*/lib/libclang.so' >/dev/null || missing+=(libclang-dev)
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" != 0 ] || ! have apt-get; then
        fail "missing for the tests: ${missing[*]} (names of Debian's packages)." \
            "On Debian or Ubuntu: sudo apt-get install ${missing[*]}"
    fi
    say "installing ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -q && apt-get install -q -y --no-install-recommends "${missing[@]}" ||
        fail "apt-get could not install ${missing[*]} (see above)."
}

# The wheels are made for this one platform; pip would only say that it found none.
check_platform() {
    local glibc
    glibc=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d ' ' -f 2) || glibc=""
    if [ "$(uname -sm)" != "Linux x86_64" ] || [ -z "$glibc" ] || ! at_least "$glibc" 2.28; then
        fail "the packages are for Linux on x86-64 with glibc 2.28 or later, and this is $(uname -sm)," \
            "glibc ${glibc:-none}. For training, LIBTORCH may name a libtorch $torch_version of your own."
    fi
}

# --- the cache folder -------------------------------------------------------------------------------------------------------

temporary=""
remove_temporary() { [ -z "$temporary" ] || rm -rf "$temporary"; }
trap remove_temporary EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# From here to the end of the script no other run writes into the cache.
lock_cache() {
    [ -z "$temporary" ] || return 0
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    if ! flock --nonblock 9; then
        say "another setup is at work in $cache; waiting for it"
        flock 9
    fi
    rm -rf "$cache"/tmp.* # of runs that were killed
    temporary=$(mktemp -d "$cache/tmp.XXXXXX") # in the cache, so that renaming out of it is one step
}

# link NAME TARGET: makes the symbolic link NAME in the checkout, also over an older one, in one step
link() {
    local name=$checkout/$1 target=$2
    [ "$(readlink "$name" || true)" != "$target" ] || return 0
    if [ -e "$name" ] && [ ! -L "$name" ]; then
        fail "$name is in the way: a symbolic link belongs there. Remove it and try again."
    fi
    ln -sfn "$target" "$name.$$"
    mv -fT "$name.$$" "$name"
    say "$1 -> $target"
}

# --- PyTorch's wheels -------------------------------------------------------------------------------------------------------

# "3.11" where this Python can import a wheel of PyTorch, else nothing
torch_python() {
    "$python" - "$torch_pythons" <<'EOF'
import sys, sysconfig

version = "%d.%d" % sys.version_info[:2]
ordinary = sys.implementation.name == "cpython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
if ordinary and version in sys.argv[1].split():
    print(version)
EOF
}

pytorch_folder() { echo "$cache/pytorch-$torch_version-cp${1/./}"; } # pytorch_folder PYTHON_VERSION

pip_failed() {
    fail "nothing was installed: the download failed, or it is not what the checksums in scripts/requirements-*.txt say" \
        "(pip's message above tells which)."
}

# Nothing but the pinned wheels, whatever the user's own pip settings say about where to install.
run_pip() {
    local quiet=(-q)
    [ ! -t 2 ] || quiet=() # a progress bar for whoever is watching
    PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 \
        "$python" -m pip "$@" "${quiet[@]}" --no-cache-dir --no-deps --only-binary=:all: --require-hashes
}

# fetch_torch cpu|cuda: downloads PyTorch once and unpacks both halves of it into the cache:
# libtorch, and what this Python needs for `import torch` (if there is a wheel for it; the tests will want it)
fetch_torch() {
    local variant=$1 libtorch host_python pytorch="" n
    libtorch=$(libtorch_folder "$variant")
    host_python=$(torch_python)
    [ -z "$host_python" ] || pytorch=$(pytorch_folder "$host_python")

    local requirements=(-r "$scripts/requirements-libtorch.txt") size="0.5 GB"
    if [ "$variant" = cuda ]; then
        requirements+=(-r "$scripts/requirements-libtorch-cuda.txt")
        size="2.5 GB"
    fi
    # Named in full, because an older pip does not know the newer of these platforms, and so that a wheel for another
    # Python can be had.
    local target=(--implementation cp --python-version "${host_python:-$fallback_python}" --platform manylinux2014_x86_64)
    for n in 28 27 25 18 17 12 5; do target+=(--platform "manylinux_2_${n}_x86_64"); done

    say "downloading PyTorch $torch_version for $variant, $size, into $cache"
    run_pip download "${requirements[@]}" "${target[@]}" -d "$temporary/wheels" || pip_failed
    say "unpacking"
    local halves=()
    [ -d "$libtorch" ] || halves+=(--libtorch "$temporary/libtorch")
    [ -z "$pytorch" ] || [ -d "$pytorch" ] || halves+=(--python "$temporary/pytorch")
    [ "$variant" = cpu ] || halves+=(--cuda)
    "$python" "$scripts/unpack_torch.py" "$temporary/wheels" --version "$torch_version" "${halves[@]}"
    rm -rf "$temporary/wheels"
    [ ! -d "$temporary/libtorch" ] || mv -T "$temporary/libtorch" "$libtorch"
    [ ! -d "$temporary/pytorch" ] || mv -T "$temporary/pytorch" "$pytorch"
}

# --- libtorch ---------------------------------------------------------------------------------------------------------------

libtorch_folder() { # libtorch_folder cpu|cuda
    case $1 in
        cpu) echo "$cache/libtorch-$torch_version" ;;
        cuda) echo "$cache/libtorch-$torch_version-cuda" ;;
    esac
}

# The version of the libtorch or PyTorch in a folder, or nothing
version_in() {
    local version=""
    [ -e "$1/lib/libtorch_cpu.so" ] && [ -d "$1/include" ] || return 0
    if [ -f "$1/build-version" ]; then
        version=$(cat "$1/build-version")
    elif [ -f "$1/version.py" ]; then
        version=$(sed -n "s/^__version__ = '\(.*\)'/\1/p" "$1/version.py")
    fi
    echo "${version%%+*}" # without the "+cu130" of a CUDA build
}

# A folder whose torch/ is the user's own LIBTORCH
folder_of_own_libtorch() {
    local own found name
    own=$(realpath -m "$LIBTORCH")
    found=$(version_in "$own")
    if [ "$found" != "$torch_version" ]; then
        fail "LIBTORCH is set to $LIBTORCH, which is not libtorch $torch_version (found: ${found:-no libtorch})." \
            "Set it to a folder with lib/, include/ and build-version or version.py, or unset it."
    fi
    if [ "$(basename "$own")" = torch ]; then
        dirname "$own"
    else
        name=$cache/libtorch-elsewhere-$(printf %s "$own" | cksum | cut -d ' ' -f 1)
        mkdir -p "$name"
        ln -sfn "$own" "$name/torch"
        echo "$name"
    fi
}

setup_libtorch() {
    local variant=${1:-} folder before
    before=$(readlink "$checkout/.libtorch" || true)
    # Cargo sets LIBTORCH to our own link for what it starts: that is not a wish of the user's.
    if [ -n "${LIBTORCH:-}" ] && [ "$(realpath -ms "$LIBTORCH")" != "$checkout/.libtorch/torch" ]; then
        folder=$(folder_of_own_libtorch)
    elif [ -z "$variant" ] && [ "$(version_in "$checkout/.libtorch/torch")" = "$torch_version" ]; then
        return 0
    else
        variant=${variant:-cpu}
        folder=$(libtorch_folder "$variant")
        if [ ! -d "$folder" ]; then
            check_platform
            lock_cache
            [ -d "$folder" ] || fetch_torch "$variant"
        fi
    fi
    link .libtorch "$folder"
    if [ -n "$before" ] && [ "$before" != "$folder" ]; then
        say "libtorch was $before before; Cargo does not see the change by itself, so run: cargo clean -p torch-sys"
    fi
}

# --- NVRTC, which compiles kernels for GPUs ----------------------------------------------------------------------------------

setup_nvrtc() {
    local folder
    folder=$cache/nvrtc-$(cksum <"$scripts/requirements-nvrtc.txt" | cut -d ' ' -f 1)
    if [ ! -d "$folder" ]; then
        check_platform
        lock_cache
        if [ ! -d "$folder" ]; then
            say "downloading NVRTC, 0.1 GB, into $cache"
            run_pip install -r "$scripts/requirements-nvrtc.txt" --target "$temporary/nvrtc" || pip_failed
            mv -T "$temporary"/nvrtc/nvidia/cu13/lib "$folder"
        fi
    fi
    link .nvrtc "$folder"
}

# --- Python for the tests ---------------------------------------------------------------------------------------------------

# A name for what the environment is made of, so that another Python or a changed list gets another folder
python_key() { # python_key VERSION INTERPRETER
    {
        printf '%s\n' "$@"
        declare -f build_python write_python_wrapper
        cat "$scripts"/requirements-{libtorch,test}.txt "$scripts/torch_stubs.py"
    } | sha256sum | cut -c 1-12
}

write_python_wrapper() { # write_python_wrapper FILE INTERPRETER
    # -S: none of the packages that happen to be installed on this machine.
    # OMP_NUM_THREADS: tests run side by side, and threads that wait for each other on busy cores are slower than one.
    cat >"$1" <<EOF
#!/bin/sh
site=\$(dirname "\$(dirname "\$(readlink -f "\$0")")")/site
export PYTHONPATH="\$site\${PYTHONPATH:+:\$PYTHONPATH}" OMP_NUM_THREADS="\${OMP_NUM_THREADS:-1}"
exec '$2' -S "\$@"
EOF
    chmod +x "$1"
}

setup_python() {
    local version interpreter folder pytorch
    version=$(torch_python)
    [ -n "$version" ] || fail "$python is $("$python" --version 2>&1), and PyTorch $torch_version is for" \
        "CPython ${torch_pythons// /, }. Set PYTHON to one of those."
    # Not a link in some virtual environment, which may be gone tomorrow: the environment is ours.
    interpreter=$("$python" -c 'import os, sys; print(os.path.realpath(sys.executable))')
    folder=$cache/python-$(python_key "$version" "$interpreter")
    if [ ! -d "$folder" ]; then
        check_platform
        lock_cache
        if [ ! -d "$folder" ]; then
            pytorch=$(pytorch_folder "$version")
            [ -d "$pytorch" ] || fetch_torch cpu
            build_python "$interpreter" "$pytorch" "$folder"
        fi
    fi
    link .python "$folder"
}

build_python() { # build_python INTERPRETER PYTORCH FOLDER
    local new=$temporary/python
    say "installing numpy, onnx and onnxruntime for the tests"
    # Into a plain folder, because Debian's Python comes without what makes virtual environments.
    run_pip install -r "$scripts/requirements-test.txt" --target "$new/site" || pip_failed
    # Hard links where the file system has them
    cp -al "$2/." "$new/site/" 2>/dev/null || cp -a "$2/." "$new/site/"
    "$1" "$scripts/torch_stubs.py" "$new/site/torch/lib"
    mkdir -p "$new/bin"
    write_python_wrapper "$new/bin/python" "$1"
    "$new/bin/python" -c 'import numpy, onnx, onnxruntime, torch; torch.optim.Adam(torch.nn.Linear(2, 1).parameters())' ||
        fail "the Python packages are installed but do not start (see above)"
    mv -T "$new" "$3"
}

# ----------------------------------------------------------------------------------------------------------------------------

usage_error() {
    help >&2
    exit 2
}

case ${1:-} in
    check | packages | python | nvrtc | all) [ $# -eq 1 ] || usage_error ;;
    libtorch) case $#,${2:-} in 1, | 2,cpu | 2,cuda) ;; *) usage_error ;; esac ;;
    help | -h | --help) ;;
    *) usage_error ;;
esac
case $1 in
    check)
        check
        say "everything needed is there"
        ;;
    packages) packages ;;
    libtorch)
        check
        setup_libtorch "${2:-}"
        ;;
    python)
        check
        setup_python
        ;;
    nvrtc)
        check
        setup_nvrtc
        ;;
    all)
        check
        setup_libtorch
        setup_python
        ;;
    *) help ;;
esac
