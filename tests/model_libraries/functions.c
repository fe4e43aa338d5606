/* Functions that advance one cell, without any simulator's interface. */
#include <stddef.h>

/* fhn_cubic, forward Euler. */
void fhn_step(double *state, double stimulus, double dt, size_t n_steps);
void fhn_step(double *state, double stimulus, double dt, size_t n_steps)
{
    for (size_t k = 0; k < n_steps; ++k) {
        const double u = state[0], w = state[1];
        state[0] = u + dt * 10 * (u * (u - 0.4) * (1 - u) - w + stimulus);
        state[1] = w + dt * (0.04 * u - 0.16 * w);
    }
}

/* The same with other types of numbers. */
void fhn_step_float(float *state, float stimulus, float dt, int n_steps);
void fhn_step_float(float *state, float stimulus, float dt, int n_steps)
{
    for (int k = 0; k < n_steps; ++k) {
        const float u = state[0], w = state[1];
        state[0] = u + dt * 10 * (u * (u - 0.4f) * (1 - u) - w + stimulus);
        state[1] = w + dt * (0.04f * u - 0.16f * w);
    }
}

/* Makes one step, however many it is asked for. */
void one_step_only(double *state, double stimulus, double dt, int n_steps);
void one_step_only(double *state, double stimulus, double dt, int n_steps)
{
    (void)n_steps;
    fhn_step(state, stimulus, dt, 1);
}
