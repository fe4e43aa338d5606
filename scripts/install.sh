#!/bin/sh
# Installs the built C library under a prefix: libraries, headers, pkg-config file, CMake package.
#
#     scripts/install.sh PREFIX [FOLDER_OF_LIBRARIES]
#
# The folder is target/release by default. With DESTDIR set, files go to $DESTDIR/PREFIX, as
# packagers want it. Nothing installed names a place: the prefix may be moved afterwards.
set -eu

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: scripts/install.sh PREFIX [FOLDER_OF_LIBRARIES]" >&2
    exit 2
fi
root=$(cd "$(dirname "$0")/.." && pwd)
prefix=${DESTDIR:-}$1
built=${2:-$root/target/release}
version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
major=${version%%.*}
minor=${version#*.}
minor=${minor%%.*}

for library in libemucell.so libemucell.a; do
    if [ ! -f "$built/$library" ]; then
        echo "install.sh: no $library in $built: run \`make build\` first" >&2
        exit 1
    fi
done

fill_in() {
    sed -e "s/@VERSION@/$version/" -e "s/@MAJOR@/$major/" -e "s/@MINOR@/$minor/" "$root/packaging/$1"
}

mkdir -p "$prefix/include" "$prefix/lib/pkgconfig" "$prefix/lib/cmake/emucell"
install -m 644 "$root/include/emucell.h" "$root/include/emucell.hpp" "$prefix/include/"
install -m 755 "$built/libemucell.so" "$prefix/lib/libemucell.so.$version"
# The SONAME is libemucell.so.0.
ln -sf "libemucell.so.$version" "$prefix/lib/libemucell.so.0"
ln -sf libemucell.so.0 "$prefix/lib/libemucell.so"
install -m 644 "$built/libemucell.a" "$prefix/lib/"
fill_in emucell.pc.in >"$prefix/lib/pkgconfig/emucell.pc"
install -m 644 "$root/packaging/emucellConfig.cmake" "$prefix/lib/cmake/emucell/"
fill_in emucellConfigVersion.cmake.in >"$prefix/lib/cmake/emucell/emucellConfigVersion.cmake"
