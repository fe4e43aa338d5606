#!/usr/bin/env bash
# Builds libemucell_monoalg3d.so against the headers of a MonoAlg3D checkout: make monoalg3d SIM=/path/to/MonoAlg3D_C
#
#     build.sh SIM LIBRARY_FOLDER OUT      SIM: a checkout, or - for the plug-in's own declaration of the interface
#
# REAL=double or REAL=float says what the simulator was built with; if not given, the checkout's build.sh is asked.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
root=$(dirname "$(dirname "$here")")
simulator=${1:?SIM=/path/to/MonoAlg3D_C}
library=$(cd "${2:?folder of libemucell.so}" && pwd -P)
out=${3:?file to make}

flags=()
if [ "$simulator" != - ]; then
    if [ ! -f "$simulator/src/ode_solver/ode_solver.h" ]; then
        echo "monoalg3d: SIM=$simulator is no checkout of MonoAlg3D_C: it has no src/ode_solver/ode_solver.h" >&2
        exit 1
    fi
    # -isystem: the simulator's headers are not to be held to our warnings.
    flags+=(-DMONOALG3D_HEADERS -isystem "$simulator/src")
    if [ -z "${REAL:-}" ]; then
        REAL=float
        if grep -q '^C_FLAGS=.*CELL_MODEL_REAL_DOUBLE' "$simulator/build.sh"; then REAL=double; fi
    fi
fi
case ${REAL:=double} in
    double) flags+=(-DCELL_MODEL_REAL_DOUBLE) ;;
    float) ;;
    *)
        echo "monoalg3d: REAL=$REAL: double or float" >&2
        exit 1
        ;;
esac

# Programs find libemucell by its SONAME.
[ -e "$library/libemucell.so.0" ] || ln -s libemucell.so "$library/libemucell.so.0"
mkdir -p "$(dirname "$out")"
"${CC:-gcc}" -std=gnu11 -D_GNU_SOURCE -O2 -fPIC -shared -fopenmp -fvisibility=hidden -Wall -Wextra -Werror \
    "${flags[@]}" -I "$root/include" "$here"/*.c -o "$out" \
    -L "$library" -lemucell -Wl,-rpath,"$library" -Wl,-Bsymbolic -Wl,--no-undefined -ldl -lm
echo "monoalg3d: $out, for real = $REAL"
