/* The three functions of a model library, made from a model that defines N_STATES, initial_state and step_cell. The number that
   it reports may be another. */
#include <stdlib.h>

#include "monoalg3d.h"

#ifndef REPORTED_STATES
#define REPORTED_STATES N_STATES
#endif

void init_cell_model_data(struct cell_model_data *model, bool get_initial_v, bool get_neq)
{
    if (get_initial_v) model->initial_v = initial_state[0];
    if (get_neq) model->number_of_ode_equations = REPORTED_STATES;
}

void set_model_initial_conditions_cpu(struct ode_solver *solver, void *config)
{
    (void)config;
    solver->sv = malloc(sizeof(real) * N_STATES * solver->original_num_cells);
    for (size_t i = 0; i < (size_t)N_STATES * solver->original_num_cells; ++i) solver->sv[i] = initial_state[i % N_STATES];
}

void solve_model_odes_cpu(struct ode_solver *solver, void *config, real current_t, real *stimulus)
{
    (void)config;
    (void)current_t;
    for (size_t i = 0; i < solver->num_cells_to_solve; ++i) {
        const size_t cell = solver->cells_to_solve != NULL ? solver->cells_to_solve[i] : i;
        for (uint32_t k = 0; k < solver->num_steps; ++k) step_cell(solver->sv + cell * N_STATES, stimulus[i], solver->min_dt);
    }
}
