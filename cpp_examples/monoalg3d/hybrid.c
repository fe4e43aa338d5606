#include "hybrid.h"

#include <omp.h>
#include <stdlib.h>

#include "messages.h"

/* What the original needs for its part of the cells of one thread. */
struct part {
    const struct hybrid *hybrid;
    real *stimulus;
};

struct hybrid {
    const struct original *original;
    const struct ode_solver *solver;
    struct string_hash_entry *settings;
    real current_t;
    uint32_t steps_each;
    int n_parts;
    struct part *parts;
    void **data;
};

/* Called by a session for the cells of its part that are outside the domain; their states are those before the step, in
 * the simulator's own precision. */
static int32_t solve_outside(void *data, const emucell_fallback_call *call)
{
    const struct part *part = data;
    const struct hybrid *h = part->hybrid;
    const real *stimulus = call->cells->stimulus.data;
    for (size_t i = 0; i < call->n_cells; ++i)
        part->stimulus[i] = stimulus != NULL ? stimulus[call->positions[i]] : 0;
    struct ode_solver solver = *h->solver;
    solver.sv = call->cells->state.data;
    solver.num_cells_to_solve = call->n_cells;
    solver.cells_to_solve = (uint32_t *)(uintptr_t)call->rows; /* only read */
    solver.num_steps = h->steps_each;
    h->original->solve(&solver, h->settings, h->current_t, part->stimulus);
    return 0;
}

struct hybrid *hybrid_open(struct surrogate *surrogate, const struct original *original,
                           const struct ode_solver *solver)
{
    struct hybrid *h = calloc(1, sizeof *h);
    const int n = omp_get_max_threads();
    if (h != NULL) *h = (struct hybrid){.original = original, .n_parts = n};
    if (h != NULL) h->parts = calloc((size_t)n, sizeof *h->parts);
    if (h != NULL) h->data = calloc((size_t)n, sizeof *h->data);
    if (h == NULL || h->parts == NULL || h->data == NULL) stop("no memory for the mode hybrid");
    for (int i = 0; i < n; ++i) {
        h->parts[i].hybrid = h;
        h->parts[i].stimulus = calloc(solver->original_num_cells, sizeof(real));
        if (h->parts[i].stimulus == NULL) stop("no memory for the stimulus of %u cells", solver->original_num_cells);
        h->data[i] = &h->parts[i];
    }
    surrogate_prepare(surrogate, EMUCELL_GUARD_FALLBACK, solver->original_num_cells, solve_outside, h->data);
    return h;
}

void hybrid_advance(struct hybrid *h, struct surrogate *surrogate, const struct ode_solver *solver,
                    struct string_hash_entry *settings, const struct cells *cells, double current_t,
                    uint32_t n_applications, uint32_t steps_each)
{
    h->solver = solver;
    h->settings = settings;
    h->steps_each = steps_each;
    const double dt = (double)solver->min_dt * steps_each;
    for (uint32_t k = 0; k < n_applications; ++k) {
        h->current_t = (real)(current_t + k * dt);
        surrogate_advance(surrogate, cells, dt, 1);
    }
}

void hybrid_close(struct hybrid *h)
{
    if (h == NULL) return;
    for (int i = 0; i < h->n_parts; ++i) free(h->parts[i].stimulus);
    free(h->parts);
    free(h->data);
    free(h);
}
