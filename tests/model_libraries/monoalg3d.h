/* What a cell model sees of MonoAlg3D's interface, version of December 2025, written down anew for tests. */
#ifndef TESTS_MONOALG3D_H
#define TESTS_MONOALG3D_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef REAL
#define REAL double
#endif
typedef REAL real;

struct cell_model_data {
    int number_of_ode_equations;
    real initial_v;
    char *model_library_path;
};

struct ode_solver {
    void *handle;
    real max_dt, min_dt;
    bool auto_dt, adaptive;
    real rel_tol, abs_tol;
    size_t num_cells_to_solve;
    uint32_t *cells_to_solve;
    uint32_t num_steps;
    bool gpu;
    int gpu_id;
    uint32_t original_num_cells;
    real *sv;
    void *ode_extra_data;
    size_t extra_data_size;
    struct cell_model_data model_data;
    size_t pitch;
    real *ode_dt, *ode_previous_dt, *ode_time_new;
    void *functions[5];
};

void init_cell_model_data(struct cell_model_data *model, bool get_initial_v, bool get_neq);
void set_model_initial_conditions_cpu(struct ode_solver *solver, void *config);
void solve_model_odes_cpu(struct ode_solver *solver, void *config, real current_t, real *stimulus);

#endif
