#include "instance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gpu.h"
#include "messages.h"

static struct instance *instances;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void report_surrogate(struct instance *p)
{
    const emucell_counters counters = surrogate_counters(&p->surrogate);
    const double all = (double)counters.n_cell_steps, part = all > 0 ? 100.0 / all : 0.0;
    if (p->settings.mode == MODE_HYBRID)
        say("hybrid: %.4g %% of %.0f cells and steps went to %s", part * (double)counters.n_fallback, all,
            p->original.path);
    else if (counters.n_outside_domain > 0)
        warn("%.4g %% of %.0f cells and steps were outside the domain of %s", part * (double)counters.n_outside_domain,
             all, p->surrogate.path);
    if (counters.n_not_finite > 0)
        warn("%.0f results of %s were NaN or infinite", (double)counters.n_not_finite, p->surrogate.path);
}

static void report(struct instance *p)
{
    if (p->cell_steps > 0)
        say("%s: %.3f s %s %.0f cells and steps, %.1f ns each, all threads together", mode_name(p->settings.mode),
            p->seconds, p->on_gpu ? "to queue" : "for", p->cell_steps, 1e9 * p->seconds / p->cell_steps);
    if (p->has_surrogate) report_surrogate(p);
    if (p->shadow != NULL) shadow_report(p->shadow, &p->surrogate);
    if (p->record != NULL) record_write(p->record);
}

static void close_instance(struct instance *p)
{
    if (!has_stopped()) report(p);
    record_close(p->record);
    shadow_close(p->shadow);
    hybrid_close(p->hybrid);
    if (p->has_surrogate) surrogate_close(&p->surrogate);
    if (p->has_original) original_close(&p->original);
    free(p->stimulus);
    free(p);
}

void instances_close(void)
{
    while (instances != NULL) {
        struct instance *first = instances;
        instances = first->next;
        close_instance(first);
    }
}

/* A simulation that is started again may find its solver at an old address. */
static void close_instance_of(const struct ode_solver *solver)
{
    for (struct instance **link = &instances; *link != NULL; link = &(*link)->next)
        if ((*link)->owner == solver) {
            struct instance *old = *link;
            *link = old->next;
            close_instance(old);
            return;
        }
}

static struct instance *instance_of(const struct ode_solver *solver)
{
    for (struct instance *p = instances; p != NULL; p = p->next)
        if (p->owner == solver) return p;
    stop("cells are to be solved before their states were set");
}

/* The surrogate's own initial state in all cells. */
static void fill_states(struct instance *p, struct ode_solver *solver)
{
    const struct surrogate *s = &p->surrogate;
    double *state = calloc(s->n_states, sizeof *state);
    const size_t n = solver->original_num_cells;
    /* The simulator frees them. */
    if (p->on_gpu) solver->sv = gpu_allocate_states(n, s->n_states, &p->pitch);
    else solver->sv = malloc(n * s->n_states * sizeof(real));
    if (state == NULL || solver->sv == NULL) stop("no memory for the states of %zu cells", n);
    if (!surrogate_initial_state(s, state))
        stop("emucell_surrogate = %s tells no initial state; emucell_original may name the model's library, whose "
             "initial state is then taken",
             s->path);
    solver->model_data.number_of_ode_equations = (int)s->n_states;
    solver->model_data.initial_v = (real)state[0];
    if (p->on_gpu) {
        gpu_fill_states(solver->sv, p->pitch, state, n, s->n_states);
    } else {
#pragma omp parallel for
        for (size_t i = 0; i < n; ++i)
            for (uint32_t j = 0; j < s->n_states; ++j) solver->sv[i * s->n_states + j] = (real)state[j];
    }
    free(state);
}

static void check_models(const struct instance *p, const struct ode_solver *solver)
{
    if (p->has_surrogate && p->has_original && p->surrogate.n_states != p->original.n_states)
        stop("emucell_surrogate = %s has %u states, and emucell_original = %s has %u", p->surrogate.path,
             p->surrogate.n_states, p->original.path, p->original.n_states);
    if (solver->ode_extra_data == NULL) return;
    /* Models read it by the position among all cells, which the few cells outside the domain no longer have. */
    if (p->settings.mode == MODE_HYBRID)
        stop("[extra_data]: emucell_mode = hybrid cannot hand it to the original for single cells; remove the section");
    if (p->settings.mode != MODE_RECORD)
        warn("[extra_data]: the surrogate knows nothing of it, and takes all cells for the same");
}

/* The other modes and the fallback call the model's own code for CPUs on every cell or on some. */
static void check_gpu(const struct settings *settings)
{
    if (settings->mode != MODE_SURROGATE)
        stop("emucell_mode = %s needs use_gpu = no in [ode_solver]: the states must be in the processor's memory",
             mode_name(settings->mode));
    if (settings->guard == EMUCELL_GUARD_FALLBACK)
        stop("emucell_guard = fallback needs use_gpu = no in [ode_solver]: the cell model runs on the CPU; choose count, "
             "clamp or ignore");
    if (settings->original != NULL)
        stop("emucell_original = %s with use_gpu = yes in [ode_solver]: the initial state on the GPU is the surrogate's; "
             "remove the key",
             settings->original);
}

size_t instance_open(struct ode_solver *solver, struct string_hash_entry *table, bool on_gpu)
{
    close_instance_of(solver);
    if (solver->adaptive)
        stop("adaptive = true in [ode_solver]: a surrogate has a step of its own; set adaptive = false and dt");
    struct instance *p = calloc(1, sizeof *p);
    if (p == NULL) stop("no memory for an ODE solver");
    p->owner = solver;
    p->last_t = NAN;
    p->on_gpu = on_gpu;
    p->settings = read_settings(table);
    if (on_gpu) check_gpu(&p->settings);
    p->has_surrogate = p->settings.mode != MODE_RECORD;
    p->has_original = p->settings.original != NULL;
    if (p->has_surrogate) p->surrogate = surrogate_open(&p->settings);
    if (p->has_original) p->original = original_open(&p->settings);
    check_models(p, solver);
    const size_t n = solver->original_num_cells;
    if (p->has_original) original_set_initial_conditions(&p->original, solver, table);
    else fill_states(p, solver);
    if (on_gpu) surrogate_prepare_gpu(&p->surrogate, p->settings.guard, n);
    else if (p->settings.mode == MODE_SURROGATE) surrogate_prepare(&p->surrogate, p->settings.guard, n, NULL, NULL);
    if (p->settings.mode == MODE_RECORD) p->record = record_open(&p->settings, &p->original, solver->sv, n);
    if (p->settings.mode == MODE_SHADOW) {
        surrogate_prepare(&p->surrogate, EMUCELL_GUARD_COUNT, n, NULL, NULL);
        p->shadow = shadow_open(p->surrogate.n_states, n);
    }
    if (p->settings.mode == MODE_HYBRID) p->hybrid = hybrid_open(&p->surrogate, &p->original, solver);
    if (p->settings.divide_stimulus) p->stimulus = calloc(n, sizeof(real));
    if (p->settings.divide_stimulus && p->stimulus == NULL) stop("no memory for the stimulus of %zu cells", n);
    p->next = instances;
    instances = p;
    say("mode %s%s%s%s%s, %zu cells, %s", mode_name(p->settings.mode), p->has_surrogate ? ", surrogate " : "",
        p->has_surrogate ? p->surrogate.path : "", p->has_original ? ", original " : "",
        p->has_original ? p->original.path : "", n,
        p->has_surrogate ? emucell_session_name(p->surrogate.sessions[0]) : "recording");
    return p->pitch;
}

/* The simulator's number of steps between two of diffusion is a quotient without its remainder: 0.3 / 0.1 gave 2. */
static void check_clock(struct instance *p, double current_t, double whole)
{
    if (!p->clock_was_checked && !isnan(p->last_t)) {
        const double passed = current_t - p->last_t, rounding = sizeof(real) == 8 ? 1e-9 : 1e-6 * fabs(current_t);
        if (fabs(passed - whole) > 1e-3 * whole + rounding)
            stop("dt = %g in [ode_solver]: %u steps of it are %g ms, and the simulator's time moves on by %g ms; let "
                 "dt_pde in [main] be dt, or a little more than a multiple of it",
                 p->dt, p->n_steps, whole, passed);
        p->clock_was_checked = true;
    }
    p->last_t = current_t;
}

static const real *stimulus_of(struct instance *p, const struct ode_solver *solver, const real *stimulus)
{
    if (!p->settings.divide_stimulus || solver->num_steps == 1) return stimulus;
    for (size_t i = 0; i < solver->num_cells_to_solve; ++i) p->stimulus[i] = stimulus[i] / (real)solver->num_steps;
    return p->stimulus;
}

void instance_solve(struct ode_solver *solver, struct string_hash_entry *table, double current_t, real *stimulus,
                    bool on_gpu)
{
    struct instance *p = instance_of(solver);
    /* A checkpoint brings the setting of the run that wrote it, after the states were reserved. */
    if (on_gpu != p->on_gpu)
        stop("use_gpu in [ode_solver] was %s in the run that wrote the checkpoint; restore it with the same",
             on_gpu ? "yes" : "no");
    const double begin = now(), dt = (double)solver->min_dt;
    const uint32_t n_steps = solver->num_steps;
    /* A checkpoint brings its own step. */
    if (dt != p->dt || n_steps != p->n_steps) {
        p->dt = dt;
        p->n_steps = n_steps;
        p->n_applications = p->has_surrogate ? surrogate_applications(&p->surrogate, dt, n_steps) : n_steps;
    }
    check_clock(p, current_t, dt * n_steps);
    const uint32_t steps_each = p->n_applications > 0 ? n_steps / p->n_applications : 0;
    const struct cells cells = {.sv = solver->sv,
                                .pitch = p->pitch,
                                .n_rows = solver->original_num_cells,
                                .index = solver->cells_to_solve,
                                .stimulus = stimulus_of(p, solver, stimulus),
                                .n = solver->num_cells_to_solve};
    real *given = (real *)(uintptr_t)cells.stimulus;
    switch (p->settings.mode) {
    case MODE_SURROGATE:
        surrogate_advance(&p->surrogate, &cells, dt * steps_each, p->n_applications);
        break;
    case MODE_RECORD:
        record_begin(p->record, solver->sv);
        p->original.solve(solver, table, (real)current_t, given);
        record_end(p->record, &cells, dt * n_steps);
        break;
    case MODE_SHADOW:
        shadow_begin(p->shadow, solver->sv);
        p->original.solve(solver, table, (real)current_t, given);
        shadow_end(p->shadow, &p->surrogate, &cells, current_t, dt * steps_each, p->n_applications);
        break;
    case MODE_HYBRID:
        hybrid_advance(p->hybrid, &p->surrogate, solver, table, &cells, current_t, p->n_applications, steps_each);
        break;
    }
    p->seconds += now() - begin;
    p->cell_steps += (double)cells.n * p->n_applications;
}
