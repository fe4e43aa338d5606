/* The cell-model library whose place the surrogate takes, called as the simulator would call it. */
#ifndef EMUCELL_MONOALG3D_ORIGINAL_H
#define EMUCELL_MONOALG3D_ORIGINAL_H

#include "settings.h"

struct original {
    const char *path;
    void *library;
    uint32_t n_states;
    real initial_v;
    set_ode_initial_conditions_cpu_fn *set_initial_conditions;
    solve_model_ode_cpu_fn *solve;
};

/* Loads the library that the settings name; ends the run if it is none, or one for another `real`. */
struct original original_open(const struct settings *settings);

/* Has the library allocate and fill the solver's states. */
void original_set_initial_conditions(const struct original *original, struct ode_solver *solver,
                                     struct string_hash_entry *settings);

void original_close(struct original *original);

#endif
