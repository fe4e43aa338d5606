/* Cells of several kinds, which an extra-data library would tell apart: the potential falls at a rate of its kind and is driven by the
   stimulus; a counter counts steps. Adaptive, they begin with short steps, each twice the one before, and remember the last. */
#include <stdlib.h>

#include "monoalg3d.h"

struct extra_data {
    real strength;
    real rates[3];
    real *initial_state;
    real *kind;
};

void init_cell_model_data(struct cell_model_data *model, bool get_initial_v, bool get_neq)
{
    if (get_initial_v) model->initial_v = 1;
    if (get_neq) model->number_of_ode_equations = 2;
}

void set_model_initial_conditions_cpu(struct ode_solver *solver, void *config)
{
    (void)config;
    const struct extra_data *extra = solver->ode_extra_data;
    const size_t n = solver->original_num_cells;
    solver->sv = malloc(sizeof(real) * 2 * n);
    for (size_t i = 0; i < 2 * n; ++i) solver->sv[i] = extra != NULL ? extra->initial_state[i % 2] : (real)(i % 2 == 0);
    if (solver->adaptive) {
        solver->ode_dt = calloc(n, sizeof(real));
        solver->ode_previous_dt = calloc(n, sizeof(real));
        solver->ode_time_new = calloc(n, sizeof(real));
    }
}

static void step_cell(real *x, real rate, real stimulus, real dt)
{
    x[0] += dt * (stimulus - rate * x[0]);
    x[1] += 1;
}

void solve_model_odes_cpu(struct ode_solver *solver, void *config, real current_t, real *stimulus)
{
    (void)config;
    const struct extra_data *extra = solver->ode_extra_data;
    for (size_t i = 0; i < solver->num_cells_to_solve; ++i) {
        real *x = solver->sv + 2 * i;
        const real rate = extra != NULL ? extra->strength * extra->rates[(int)extra->kind[i]] : 1;
        if (!solver->adaptive) {
            for (uint32_t k = 0; k < solver->num_steps; ++k) step_cell(x, rate, stimulus[i], solver->min_dt);
            continue;
        }
        const real end = current_t + solver->min_dt;
        while (solver->ode_time_new[i] < end) {
            real dt = solver->ode_dt[i] < solver->max_dt / 8 ? solver->ode_dt[i] : solver->max_dt / 8;
            if (solver->ode_time_new[i] + dt >= end) {
                dt = end - solver->ode_time_new[i];
                solver->ode_time_new[i] = end;
            } else {
                solver->ode_time_new[i] += dt;
            }
            step_cell(x, rate, stimulus[i], dt);
            solver->ode_dt[i] = 2 * dt;
        }
    }
}
