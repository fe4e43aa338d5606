/* FitzHugh-Nagumo with a cubic, as emucell's own cell model fhn_cubic, forward Euler. */
#include "monoalg3d.h"

#define N_STATES 2
static const real initial_state[N_STATES] = {0, 0};

static void step_cell(real *x, real stimulus, real dt)
{
    const real u = x[0], w = x[1];
    x[0] = u + dt * 10 * (u * (u - (real)0.4) * (1 - u) - w + stimulus);
    x[1] = w + dt * ((real)0.04 * u - (real)0.16 * w);
}

#include "cells.h"
