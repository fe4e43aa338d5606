/* libemucell_monoalg3d.so: surrogates of cell models inside MonoAlg3D. The functions that the simulator looks up. */
#include "instance.h"
#include "messages.h"

#define EXPORTED __attribute__((visibility("default")))

EXPORTED get_cell_model_data_fn init_cell_model_data;
EXPORTED set_ode_initial_conditions_cpu_fn set_model_initial_conditions_cpu;
EXPORTED set_ode_initial_conditions_gpu_fn set_model_initial_conditions_gpu;
EXPORTED solve_model_ode_cpu_fn solve_model_odes_cpu;
EXPORTED solve_model_ode_gpu_fn solve_model_odes_gpu;

/* The settings, which decide on both numbers, come only with set_model_initial_conditions_cpu(). Nothing is written here
 * either because it is not known yet where the numbers lie: see check_layout(). */
void init_cell_model_data(struct cell_model_data *cell_model, bool get_initial_v, bool get_neq)
{
    (void)cell_model, (void)get_initial_v, (void)get_neq;
}

/* The simulator keeps the address of our function in its struct. If it is not where we look for it, the struct is another
 * one than this library was compiled for. */
static void check_layout(const struct ode_solver *solver)
{
    if (solver->get_cell_model_data != init_cell_model_data)
        stop("library_file in [ode_solver]: this plug-in was compiled for a simulator with `real` = %s and its struct "
             "ode_solver; build it again with `make monoalg3d SIM=...` for this one",
             sizeof(real) == 8 ? "double" : "float");
}

void set_model_initial_conditions_cpu(struct ode_solver *solver, struct string_hash_entry *ode_extra_config)
{
    check_layout(solver);
    instance_open(solver, ode_extra_config, false);
}

void solve_model_odes_cpu(struct ode_solver *ode_solver, struct string_hash_entry *ode_extra_config, real current_t,
                          real *stim_currents)
{
    instance_solve(ode_solver, ode_extra_config, (double)current_t, stim_currents, false);
}

size_t set_model_initial_conditions_gpu(struct ode_solver *solver, struct string_hash_entry *ode_extra_config)
{
    check_layout(solver);
    return instance_open(solver, ode_extra_config, true);
}

void solve_model_odes_gpu(struct ode_solver *ode_solver, struct string_hash_entry *ode_extra_config, real current_t,
                          real *stim_currents)
{
    instance_solve(ode_solver, ode_extra_config, (double)current_t, stim_currents, true);
}

/* The interface has no end: the library is unloaded, or the program ends. */
__attribute__((destructor)) static void end(void) { instances_close(); }
