#!/bin/sh
# Installs the built C library under a prefix, or removes it: libraries, headers, Fortran modules' sources,
# pkg-config file, CMake package.
#
#     scripts/install.sh PREFIX [FOLDER_OF_LIBRARIES]
#     scripts/install.sh --uninstall PREFIX
#
# The folder is target/release by default. With DESTDIR set, files go to $DESTDIR/PREFIX, as packagers want it.
# Nothing installed names a place: the prefix may be moved afterwards. share/emucell/files lists what was
# installed; an older version is removed by its own list.
set -eu

usage() {
    sed -n 's/^#     //p' "$0" >&2
    exit 2
}

uninstall=""
if [ "${1:-}" = --uninstall ]; then
    uninstall=yes
    shift
fi
case $#,$uninstall in 1, | 2, | 1,yes) ;; *) usage ;; esac
case $1 in "" | -*) usage ;; esac

root=$(cd "$(dirname "$0")/.." && pwd)
prefix=${DESTDIR:-}$1
built=${2:-$root/target/release}
list=share/emucell/files

remove_installed() {
    [ -f "$prefix/$list" ] || return 1
    while IFS= read -r file; do
        rm -f "$prefix/$file"
    done <"$prefix/$list"
    rm "$prefix/$list"
    for folder in share/emucell/fortran share/emucell lib/cmake/emucell; do
        rmdir "$prefix/$folder" 2>/dev/null || true # not if somebody else has files there
    done
}

if [ -n "$uninstall" ]; then
    remove_installed && exit 0
    echo "install.sh: there is no $prefix/$list: nothing of emucell is installed in $prefix" >&2
    exit 1
fi

version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$root/Cargo.toml" | head -n 1)
major=${version%%.*}

for library in libemucell.so libemucell.a; do
    if [ ! -f "$built/$library" ]; then
        echo "install.sh: no $library in $built: run \`make build\` first" >&2
        exit 1
    fi
done

remove_installed || true

# put MODE SOURCE TARGET: installs one file and lists it
put() {
    install -m "$1" "$2" "$prefix/$3"
    echo "$3" >>"$prefix/$list"
}

# put_filled SOURCE TARGET: the same for a file of packaging/ with names to fill in
put_filled() {
    sed -e "s/@VERSION@/$version/" -e "s/@MAJOR@/$major/" "$root/packaging/$1" >"$prefix/$2"
    chmod 644 "$prefix/$2"
    echo "$2" >>"$prefix/$list"
}

# put_link TARGET NAME
put_link() {
    ln -sf "$1" "$prefix/$2"
    echo "$2" >>"$prefix/$list"
}

mkdir -p "$prefix/include" "$prefix/lib/pkgconfig" "$prefix/lib/cmake/emucell" "$prefix/share/emucell/fortran"
: >"$prefix/$list"
for header in emucell.h emucell.hpp emucell_views.hpp; do
    put 644 "$root/include/$header" "include/$header"
done
for module in emucell_c.f90 emucell.f90; do
    put 644 "$root/fortran/$module" "share/emucell/fortran/$module"
done
put 755 "$built/libemucell.so" "lib/libemucell.so.$version"
# The SONAME is libemucell.so.0.
put_link "libemucell.so.$version" lib/libemucell.so.0
put_link libemucell.so.0 lib/libemucell.so
put 644 "$built/libemucell.a" lib/libemucell.a
put_filled emucell.pc.in lib/pkgconfig/emucell.pc
put 644 "$root/packaging/emucellConfig.cmake" lib/cmake/emucell/emucellConfig.cmake
put_filled emucellConfigVersion.cmake.in lib/cmake/emucell/emucellConfigVersion.cmake
