/* The model of Mitchell and Schaeffer (2003) with a gate that opens and closes smoothly around its threshold, forward Euler: what a
   network of simple operations can repeat. */
#include <math.h>

#include "monoalg3d.h"

#define N_STATES 2
static const real initial_state[N_STATES] = {0, 1};

static void step_cell(real *x, real stimulus, real dt)
{
    const real v = x[0], h = x[1];
    const real open = (real)0.5 * (1 - tanh(20 * (v - (real)0.13)));
    x[0] = v + dt * (h * v * v * (1 - v) / (real)0.3 - v / 6 + stimulus);
    x[1] = h + dt * ((1 - h) * open / 120 - h * (1 - open) / 150);
}

#include "cells.h"
