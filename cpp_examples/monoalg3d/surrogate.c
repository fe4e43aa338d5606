#include "surrogate.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "messages.h"
#include "on_gpu.h"

/* emucell computes in tiles of this many cells: parts of other sizes leave part of a tile empty. */
enum { TILE = 32 };

#define ELEMENT_TYPE (sizeof(real) == 8 ? EMUCELL_F64 : EMUCELL_F32)

static void *allocate(size_t n, size_t size)
{
    void *memory = calloc(n ? n : 1, size);
    if (memory == NULL) stop("no memory for %zu numbers", n);
    return memory;
}

static void check(enum emucell_status status, const char *path)
{
    if (status != EMUCELL_OK) stop("emucell_surrogate = %s: %s", path, emucell_last_error_message());
}

/* The inputs must be all states, at most one stimulus, and parameters that the ini file gives. */
static void read_inputs(struct surrogate *s, const struct settings *settings)
{
    const size_t n = emucell_surrogate_n_inputs(s->handle);
    s->parameters = allocate(n, sizeof *s->parameters);
    const char **names = allocate(n, sizeof *names);
    uint32_t n_states = 0, n_stimuli = 0;
    for (size_t i = 0; i < n; ++i) {
        emucell_variable variable;
        check(emucell_surrogate_input(s->handle, i, &variable), s->path);
        if (variable.role == EMUCELL_STATE) ++n_states;
        if (variable.role == EMUCELL_STIMULUS) ++n_stimuli;
        if (variable.role == EMUCELL_PARAMETER) {
            names[s->n_parameters] = variable.name;
            s->parameters[s->n_parameters++] = parameter_setting(settings, variable.name);
        }
    }
    if (s->kind != EMUCELL_STEP_MAP && s->kind != EMUCELL_SOLUTION_MAP)
        stop("emucell_surrogate = %s: neither a step map nor a solution map", s->path);
    if (n_states != s->n_states)
        stop("emucell_surrogate = %s: %u of its %u states are inputs, and a step needs all", s->path, n_states,
             s->n_states);
    if (n_stimuli > 1)
        stop("emucell_surrogate = %s: %u stimulus variables, and the simulator has one", s->path, n_stimuli);
    s->has_stimulus = n_stimuli == 1;
    check_parameter_settings(settings, names, s->n_parameters);
    free(names);
}

struct surrogate surrogate_open(const struct settings *settings)
{
    struct surrogate s = {.path = settings->surrogate};
    check(emucell_surrogate_load(s.path, &s.handle), s.path);
    check(emucell_surrogate_kind(s.handle, &s.kind, &s.dt), s.path);
    s.n_states = (uint32_t)emucell_surrogate_n_outputs(s.handle);
    read_inputs(&s, settings);
    if (emucell_surrogate_verified(s.handle) == EMUCELL_NOT_VERIFIED)
        warn("emucell_surrogate = %s was not verified against its cell model, or missed its targets", s.path);
    return s;
}

void surrogate_prepare(struct surrogate *s, uint32_t guard, size_t capacity, emucell_fallback fallback,
                       void *const *data)
{
    s->n_sessions = omp_get_max_threads();
    s->sessions = allocate((size_t)s->n_sessions, sizeof *s->sessions);
    for (int thread = 0; thread < s->n_sessions; ++thread) {
        emucell_session_options options;
        emucell_session_options_init(&options);
        options.guard = guard;
        options.capacity = capacity;
        options.fallback = fallback;
        options.fallback_data = data ? data[thread] : NULL;
        check(emucell_session_create(s->handle, &options, &s->sessions[thread]), s->path);
    }
}

void surrogate_prepare_gpu(struct surrogate *s, uint32_t guard, size_t capacity)
{
    s->n_sessions = 1;
    s->sessions = allocate(1, sizeof *s->sessions);
    s->gpu = on_gpu_open(s, guard, capacity, &s->sessions[0]);
}

uint32_t surrogate_applications(const struct surrogate *s, double dt, uint32_t n_steps)
{
    /* The simulator may hold its steps in single precision. */
    const double tolerance = 1e-5;
    const double whole = dt * n_steps;
    if (s->kind != EMUCELL_STEP_MAP || fabs(dt - s->dt) <= tolerance * s->dt) return n_steps;
    if (fabs(whole - s->dt) <= tolerance * s->dt) return 1;
    stop("dt = %g in [ode_solver]: the surrogate %s makes steps of %g ms, and the simulator %u of %g ms between two "
         "of diffusion; set dt, and dt_pde in [main], to %g",
         dt, s->path, s->dt, n_steps, dt, s->dt);
}

bool surrogate_initial_state(const struct surrogate *s, double *state)
{
    return emucell_surrogate_initial_state(s->handle, state, s->n_states) == EMUCELL_OK;
}

static enum emucell_status advance_part(struct surrogate *s, int thread, const struct cells *all, size_t first,
                                        size_t n, double dt, uint32_t n_times)
{
    emucell_cells cells;
    emucell_cells_init(&cells);
    cells.n_cells = n;
    if (all->index != NULL) {
        cells.n_rows = all->n_rows;
        cells.index = all->index + first;
        cells.state = emucell_view_of_structures(all->sv, ELEMENT_TYPE, all->n_rows, s->n_states);
    } else {
        cells.n_rows = n;
        cells.state = emucell_view_of_structures(all->sv + first * s->n_states, ELEMENT_TYPE, n, s->n_states);
    }
    /* Views are of numbers that may be written; these are only read. */
    if (s->has_stimulus)
        cells.stimulus = emucell_view_of_structures((real *)(uintptr_t)(all->stimulus + first), ELEMENT_TYPE, n, 1);
    if (s->n_parameters > 0) {
        cells.parameters = emucell_view_of_structures(s->parameters, EMUCELL_F64, 1, s->n_parameters);
        cells.parameters.cell_stride = 0;
    }
    return emucell_step(s->sessions[thread], &cells, dt, n_times);
}

/* A stimulus that the surrogate does not know would be lost without a word. */
static void check_stimulus(const struct surrogate *s, const struct cells *cells)
{
    for (size_t i = 0; i < cells->n; ++i)
        if (cells->stimulus[i] != 0)
            stop("emucell_surrogate = %s has no stimulus variable, and the simulator stimulates cells", s->path);
}

void surrogate_advance(struct surrogate *s, const struct cells *cells, double dt, uint32_t n_times)
{
    char failure[1024] = "";
    if (!s->has_stimulus) check_stimulus(s, cells);
    const double step = s->kind == EMUCELL_STEP_MAP ? s->dt : dt;
    if (s->gpu != NULL) {
        on_gpu_advance(s->gpu, s, cells, step, n_times);
        return;
    }
    /* A thread's part is whole tiles. */
    const size_t n_tiles = (cells->n + TILE - 1) / TILE;
#pragma omp parallel num_threads(s->n_sessions)
    {
        const size_t thread = (size_t)omp_get_thread_num(), n_threads = (size_t)omp_get_num_threads();
        const size_t first = n_tiles * thread / n_threads * TILE;
        size_t end = n_tiles * (thread + 1) / n_threads * TILE;
        if (end > cells->n) end = cells->n;
        if (first < end &&
            advance_part(s, (int)thread, cells, first, end - first, step, n_times) != EMUCELL_OK) {
            /* Messages belong to the thread in which they arose. */
#pragma omp critical(emucell_failure)
            snprintf(failure, sizeof failure, "%s", emucell_last_error_message());
        }
    }
    if (failure[0] != '\0') stop("a step with emucell_surrogate = %s failed: %s", s->path, failure);
}

const char *surrogate_state_name(const struct surrogate *s, uint32_t i)
{
    emucell_variable variable;
    check(emucell_surrogate_output(s->handle, i, &variable), s->path);
    return variable.name;
}

emucell_counters surrogate_counters(struct surrogate *s)
{
    emucell_counters sum;
    emucell_counters_init(&sum);
    if (s->gpu != NULL && emucell_session_synchronize(s->sessions[0]) != EMUCELL_OK)
        warn("the GPU did not say how many cells were outside the domain: %s", emucell_last_error_message());
    for (int thread = 0; thread < s->n_sessions; ++thread) {
        emucell_counters own;
        emucell_counters_init(&own);
        if (emucell_session_counters(s->sessions[thread], &own) != EMUCELL_OK) continue;
        sum.n_calls += own.n_calls;
        sum.n_cell_steps += own.n_cell_steps;
        sum.n_outside_domain += own.n_outside_domain;
        sum.n_not_finite += own.n_not_finite;
        sum.n_fallback += own.n_fallback;
    }
    return sum;
}

void surrogate_close(struct surrogate *s)
{
    for (int thread = 0; thread < s->n_sessions; ++thread) emucell_session_destroy(&s->sessions[thread]);
    free(s->sessions);
    on_gpu_close(s->gpu);
    free(s->parameters);
    emucell_surrogate_destroy(&s->handle);
}
