#include "on_gpu.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gpu.h"
#include "messages.h"

#define ELEMENT_TYPE (sizeof(real) == 8 ? EMUCELL_F64 : EMUCELL_F32)

struct on_gpu {
    char device[32];
    real *numbers;        /* there: a zero, which is the stimulus of all cells where there is none; then the parameters */
    uint32_t *index;      /* there: the list of cells of the last call */
    uint32_t *index_here; /* the same list, to see whether another one comes */
    size_t n_index, capacity;
};

struct on_gpu *on_gpu_open(const struct surrogate *s, uint32_t guard, size_t capacity, emucell_session **session)
{
    struct on_gpu *g = calloc(1, sizeof *g);
    real *numbers = calloc(1 + (size_t)s->n_parameters, sizeof *numbers);
    if (g == NULL || numbers == NULL) stop("no memory for the session of %s", s->path);
    /* The simulator's own calls and stock models use the thread's GPU as well, whatever gpu_id of a network says. */
    snprintf(g->device, sizeof g->device, "cuda:%d", gpu_number());
    const size_t size = (1 + (size_t)s->n_parameters) * sizeof *numbers;
    for (uint32_t j = 0; j < s->n_parameters; ++j) numbers[1 + j] = (real)s->parameters[j];
    g->numbers = gpu_allocate(size);
    gpu_write(g->numbers, numbers, size);
    free(numbers);

    emucell_session_options options;
    emucell_session_options_init(&options);
    options.device = g->device;
    options.guard = guard;
    options.capacity = capacity;
    /* Without a stream of the caller's the session has one that waits for the default stream, on which the simulator
     * copies V, and for which that stream waits. */
    if (emucell_session_create(s->handle, &options, session) != EMUCELL_OK)
        stop("use_gpu = yes in [ode_solver]: emucell_surrogate = %s on %s: %s", s->path, g->device,
             emucell_last_error_message());
    return g;
}

/* The list of cells in the GPU's memory; it changes with the mesh only. */
static const uint32_t *index_there(struct on_gpu *g, const uint32_t *index, size_t n)
{
    if (index == NULL) return NULL;
    if (n == g->n_index && memcmp(index, g->index_here, n * sizeof *index) == 0) return g->index;
    if (n > g->capacity) {
        gpu_free(g->index);
        g->index = gpu_allocate(n * sizeof *index);
        g->index_here = realloc(g->index_here, n * sizeof *index);
        if (g->index_here == NULL) stop("no memory for a list of %zu cells", n);
        g->capacity = n;
    }
    memcpy(g->index_here, index, n * sizeof *index);
    g->n_index = n;
    gpu_write(g->index, index, n * sizeof *index);
    return g->index;
}

static bool is_zero(const real *numbers, size_t n)
{
    for (size_t i = 0; i < n; ++i)
        if (numbers[i] != 0) return false;
    return true;
}

void on_gpu_advance(struct on_gpu *g, struct surrogate *s, const struct cells *all, double dt, uint32_t n_times)
{
    if (all->n == 0) return;
    emucell_cells cells;
    emucell_cells_init(&cells);
    cells.n_cells = all->n;
    cells.n_rows = all->index != NULL ? all->n_rows : all->n;
    cells.index = index_there(g, all->index, all->n);
    cells.state = emucell_view_of_arrays(all->sv, ELEMENT_TYPE, cells.n_rows, s->n_states, all->pitch / sizeof(real));
    if (s->has_stimulus && is_zero(all->stimulus, all->n)) {
        cells.stimulus = emucell_view_of_structures(g->numbers, ELEMENT_TYPE, 1, 1);
        cells.stimulus.cell_stride = 0;
    } else if (s->has_stimulus) {
        /* The session copies it through pinned memory of its own. */
        cells.stimulus = emucell_view_of_structures((real *)(uintptr_t)all->stimulus, ELEMENT_TYPE, all->n, 1);
    }
    if (s->n_parameters > 0) {
        cells.parameters = emucell_view_of_structures(g->numbers + 1, ELEMENT_TYPE, 1, s->n_parameters);
        cells.parameters.cell_stride = 0;
    }
    if (emucell_step(s->sessions[0], &cells, dt, n_times) != EMUCELL_OK)
        stop("a step with emucell_surrogate = %s on %s failed: %s", s->path, g->device, emucell_last_error_message());
}

void on_gpu_close(struct on_gpu *g)
{
    if (g == NULL) return;
    gpu_free(g->numbers);
    gpu_free(g->index);
    free(g->index_here);
    free(g);
}
