/* Mitchell and Schaeffer's two-current model (Bull Math Biol 65:767, 2003), forward Euler, times in ms. */
#include "monoalg3d.h"

#define N_STATES 2
static const real initial_state[N_STATES] = {0, 1};

static void step_cell(real *x, real stimulus, real dt)
{
    const real v = x[0], h = x[1];
    const real tau_in = (real)0.3, tau_out = 6, tau_open = 120, tau_close = 150, v_gate = (real)0.13;
    x[0] = v + dt * (h * v * v * (1 - v) / tau_in - v / tau_out + stimulus);
    x[1] = h + dt * (v < v_gate ? (1 - h) / tau_open : -h / tau_close);
}

#include "cells.h"
