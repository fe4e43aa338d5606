/* The simulator's side: how MonoAlg3D calls a cell-model library.
 *
 * With MONOALG3D_HEADERS defined (make monoalg3d SIM=...) the types are those of the simulator's own headers. Without,
 * they are declared here, so that the plug-in can be tested where there is no simulator; each build against the
 * simulator's headers compares the two layouts. */
#ifndef EMUCELL_MONOALG3D_SIMULATOR_H
#define EMUCELL_MONOALG3D_SIMULATOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef MONOALG3D_HEADERS

#include "3dparty/stb_ds.h"
#include "ode_solver/ode_solver.h"

#define number_of_settings(settings) ((size_t)shlen(settings))

#else

/* The simulator's floating-point type; double unless it was built otherwise. */
#ifdef CELL_MODEL_REAL_DOUBLE
typedef double real;
#else
typedef float real;
#endif

/* A setting that the simulator does not know itself. Settings are a hash table of the simulator's; seen from outside it
 * is an array of entries behind a header and one entry of no meaning. */
struct string_hash_entry {
    char *key;
    char *value;
};

struct settings_header {
    size_t length; /* entries and the one before them */
    size_t capacity;
    void *hash_table;
    ptrdiff_t scratch;
};

#define number_of_settings(settings) \
    ((settings) ? ((const struct settings_header *)(const void *)((settings) - 1) - 1)->length - 1 : (size_t)0)

struct cell_model_data {
    int number_of_ode_equations;
    real initial_v;
    char *model_library_path;
};

struct ode_solver;

typedef void get_cell_model_data_fn(struct cell_model_data *cell_model, bool get_initial_v, bool get_neq);
typedef void set_ode_initial_conditions_cpu_fn(struct ode_solver *solver, struct string_hash_entry *ode_extra_config);
typedef size_t set_ode_initial_conditions_gpu_fn(struct ode_solver *solver, struct string_hash_entry *ode_extra_config);
typedef void solve_model_ode_cpu_fn(struct ode_solver *ode_solver, struct string_hash_entry *ode_extra_config,
                                    real current_t, real *stim_currents);
typedef solve_model_ode_cpu_fn solve_model_ode_gpu_fn;

struct ode_solver {
    void *handle;
    real max_dt;
    real min_dt; /* the step, where it is not adaptive */
    bool auto_dt;
    bool adaptive;
    real rel_tol;
    real abs_tol;
    size_t num_cells_to_solve;
    uint32_t *cells_to_solve; /* rows of sv, or NULL for all in order */
    uint32_t num_steps;
    bool gpu;
    int gpu_id;
    uint32_t original_num_cells; /* rows of sv */
    real *sv;
    void *ode_extra_data;
    size_t extra_data_size;
    struct cell_model_data model_data;
    size_t pitch;
    real *ode_dt, *ode_previous_dt, *ode_time_new;
    get_cell_model_data_fn *get_cell_model_data;
    set_ode_initial_conditions_cpu_fn *set_ode_initial_conditions_cpu;
    set_ode_initial_conditions_gpu_fn *set_ode_initial_conditions_gpu;
    solve_model_ode_cpu_fn *solve_model_ode_cpu;
    solve_model_ode_gpu_fn *solve_model_ode_gpu;
};

#endif

/* What the plug-in relies on, whichever declaration it was compiled with. */
#define EMUCELL_LAYOUT(field, in_double, in_float)                                                                  \
    _Static_assert(offsetof(struct ode_solver, field) == (sizeof(real) == 8 ? (in_double) : (in_float)),            \
                   "struct ode_solver is not the one that this plug-in was written for: " #field)
EMUCELL_LAYOUT(min_dt, 16, 12);
EMUCELL_LAYOUT(adaptive, 25, 17);
EMUCELL_LAYOUT(num_cells_to_solve, 48, 32);
EMUCELL_LAYOUT(cells_to_solve, 56, 40);
EMUCELL_LAYOUT(num_steps, 64, 48);
EMUCELL_LAYOUT(gpu, 68, 52);
EMUCELL_LAYOUT(original_num_cells, 76, 60);
EMUCELL_LAYOUT(sv, 80, 64);
EMUCELL_LAYOUT(ode_extra_data, 88, 72);
EMUCELL_LAYOUT(model_data, 104, 88);
EMUCELL_LAYOUT(get_cell_model_data, 160, 136);
EMUCELL_LAYOUT(solve_model_ode_cpu, 184, 160);
_Static_assert(sizeof(struct string_hash_entry) == 2 * sizeof(char *), "settings have other entries");

#endif
