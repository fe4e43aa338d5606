/* The surrogate runs; cells outside its domain go to the original model for that step. */
#ifndef EMUCELL_MONOALG3D_HYBRID_H
#define EMUCELL_MONOALG3D_HYBRID_H

#include "original.h"
#include "surrogate.h"

struct hybrid;

/* Makes the surrogate's sessions, which hand cells outside the domain to the original. */
struct hybrid *hybrid_open(struct surrogate *surrogate, const struct original *original,
                           const struct ode_solver *solver);

/* One PDE step: n_applications of the surrogate, for each of which the original makes steps_each of its own. */
void hybrid_advance(struct hybrid *hybrid, struct surrogate *surrogate, const struct ode_solver *solver,
                    struct string_hash_entry *settings, const struct cells *cells, double current_t,
                    uint32_t n_applications, uint32_t steps_each);

void hybrid_close(struct hybrid *hybrid);

#endif
