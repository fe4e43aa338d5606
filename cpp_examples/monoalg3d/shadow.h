/* The original decides; the surrogate takes each step beside it from the same states, and its errors are kept. */
#ifndef EMUCELL_MONOALG3D_SHADOW_H
#define EMUCELL_MONOALG3D_SHADOW_H

#include "surrogate.h"

struct shadow;

struct shadow *shadow_open(uint32_t n_states, size_t n_rows);

/* Keeps the states before a step. */
void shadow_begin(struct shadow *shadow, const real *sv);

/* Has the surrogate take the step from the kept states, and compares with cells->sv, where the original has taken it. */
void shadow_end(struct shadow *shadow, struct surrogate *surrogate, const struct cells *cells, double current_t,
                double dt, uint32_t n_times);

/* Reports the errors, a line for each state. */
void shadow_report(const struct shadow *shadow, const struct surrogate *surrogate);

void shadow_close(struct shadow *shadow);

#endif
