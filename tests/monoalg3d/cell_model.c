/* A cell-model library as the simulator's own are: the cubic FitzHugh-Nagumo model by forward Euler,
 * du/dt = 10 [u (u - 0.4)(1 - u) - w + s], dw/dt = 0.04 u - 0.16 w (ms). With THIRD_STATE a third one, the time, so that
 * the library is another model's; with FUSED the same equations in the order of emucell's own solver. */
#include <math.h>
#include <stdlib.h>

#include "../../cpp_examples/monoalg3d/simulator.h"

#ifdef THIRD_STATE
enum { N_STATES = 3 };
#else
enum { N_STATES = 2 };
#endif

get_cell_model_data_fn init_cell_model_data;
set_ode_initial_conditions_cpu_fn set_model_initial_conditions_cpu;
solve_model_ode_cpu_fn solve_model_odes_cpu;

void init_cell_model_data(struct cell_model_data *cell_model, bool get_initial_v, bool get_neq)
{
    if (get_initial_v) cell_model->initial_v = 0;
    if (get_neq) cell_model->number_of_ode_equations = N_STATES;
}

void set_model_initial_conditions_cpu(struct ode_solver *solver, struct string_hash_entry *ode_extra_config)
{
    (void)ode_extra_config;
    solver->sv = calloc((size_t)solver->original_num_cells * N_STATES, sizeof(real));
}

void solve_model_odes_cpu(struct ode_solver *ode_solver, struct string_hash_entry *ode_extra_config, real current_t,
                          real *stim_currents)
{
    (void)ode_extra_config, (void)current_t;
    const real dt = ode_solver->min_dt;
#pragma omp parallel for
    for (size_t i = 0; i < ode_solver->num_cells_to_solve; ++i) {
        const size_t row = ode_solver->cells_to_solve ? ode_solver->cells_to_solve[i] : i;
        real *x = ode_solver->sv + row * N_STATES;
        for (uint32_t step = 0; step < ode_solver->num_steps; ++step) {
            const real u = x[0], w = x[1], s = stim_currents[i];
#ifdef FUSED
            const double bracket = fma(fma(1.4 - u, u, -0.4), u, s - w);
            x[0] = (real)fma(bracket, 10 * dt, u);
            x[1] = (real)fma(0.04 * dt, u, fma(-0.16 * dt, w, w));
#else
            const real du = 10 * (u * (u - (real)0.4) * (1 - u) - w + s);
            const real dw = (real)0.04 * u - (real)0.16 * w;
            x[0] = u + dt * du;
            x[1] = w + dt * dw;
#endif
#ifdef THIRD_STATE
            x[2] += dt;
#endif
        }
    }
}
