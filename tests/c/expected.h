// What the surrogates of tests/support/surrogates.rs compute, in C.

#ifndef EXPECTED_H
#define EXPECTED_H

#include <math.h>

#define FHN_THRESHOLD 0.4f

// One forward Euler step of dt ms of the cubic FitzHugh-Nagumo model, in single precision and in
// the order of the surrogate's operations.
static inline void fhn_euler(float *u, float *w, float s, float threshold, float dt)
{
    float du = *u * (*u - threshold) * (1.0f - *u) - *w + s;
    float dw = 0.04f * *u - 0.16f * *w;
    *u = *u + 10.0f * dt * du;
    *w = *w + dt * dw;
}

static inline double formula_weight(int layer, int i)
{
    return ((37 * i + 11 * layer + 5) % 64) / 64.0 - 0.5;
}

// y = weights x + bias, 16 columns at most.
static inline void formula_layer(int layer, int n_inputs, int n_outputs, const double *x, double *y)
{
    for (int row = 0; row < n_outputs; row++) {
        y[row] = formula_weight(layer + 10, row);
        for (int column = 0; column < n_inputs; column++)
            y[row] += formula_weight(layer, row * n_inputs + column) * x[column];
    }
}

static inline void formula_network(const double x[3], double y[2])
{
    double h1[16], h2[16];
    formula_layer(0, 3, 16, x, h1);
    for (int i = 0; i < 16; i++)
        h1[i] = tanh(h1[i]);
    formula_layer(1, 16, 16, h1, h2);
    for (int i = 0; i < 16; i++)
        h2[i] = h2[i] / (1.0 + exp(-h2[i]));
    formula_layer(2, 16, 2, h2, y);
}

#endif
