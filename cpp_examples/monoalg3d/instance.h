/* What the plug-in keeps for each ODE solver of the simulator: one for the tissue, one for a Purkinje network. */
#ifndef EMUCELL_MONOALG3D_INSTANCE_H
#define EMUCELL_MONOALG3D_INSTANCE_H

#include "hybrid.h"
#include "original.h"
#include "record.h"
#include "settings.h"
#include "shadow.h"
#include "surrogate.h"

struct instance {
    const struct ode_solver *owner; /* the simulator's struct has no place for ours: its address is the key */
    struct settings settings;
    bool on_gpu;
    size_t pitch; /* of states on a GPU, bytes */
    bool has_surrogate, has_original;
    struct surrogate surrogate;
    struct original original;
    struct record *record;
    struct shadow *shadow;
    struct hybrid *hybrid;
    real *stimulus; /* divided, if the settings say so */
    double dt;      /* of the solver when applications was computed */
    uint32_t n_steps, n_applications;
    double last_t; /* NAN before the first call */
    bool clock_was_checked;
    double seconds, cell_steps;
    struct instance *next;
};

/* Makes the instance of a solver from its settings, in the place of an older one, and fills the solver's states.
 * Returns the pitch of states on a GPU. */
size_t instance_open(struct ode_solver *solver, struct string_hash_entry *table, bool on_gpu);

/* Makes the steps between two of diffusion. */
void instance_solve(struct ode_solver *solver, struct string_hash_entry *table, double current_t, real *stimulus,
                    bool on_gpu);

/* Reports and frees all instances. */
void instances_close(void);

#endif
