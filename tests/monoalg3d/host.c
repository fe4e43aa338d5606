/* A host that treats a cell-model library as MonoAlg3D does, for tests without the simulator: it loads the library,
 * stimulates a cable of cells, lets V diffuse between two steps of the ODEs, and writes the final states to a file. Any
 * library with the interface will do, so that a model's own library and the plug-in can be compared.
 *
 *     host LIBRARY OUT [name=value ...]     settings of the run, below; all others go to the library as [ode_solver] keys,
 *                                           purkinje:name=value as those of a second solver */
#include <dlfcn.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <omp.h>

#include "../../cpp_examples/monoalg3d/simulator.h"

#ifdef COMPILE_CUDA
/* As a simulator that was built with CUDA: linked with the runtime, which is gpu.c here. */
extern unsigned cudaFree(void *memory);
extern unsigned cudaMemcpy2D(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t height,
                             unsigned kind);
extern void gpu_mark(const char *text);
enum { TO_GPU = 1, FROM_GPU = 2, ON_GPU = 3 };
#endif

struct run {
    size_t n_cells, n_steps;
    double dt, dt_pde;
    int n_threads;
    bool adaptive, gpu, extra_data, wrong_layout, timed;
    size_t refine_at; /* first every other cell is solved, from this step on all, in another order; 0: no mesh */
    size_t restore_at; /* after this step the run is taken up by a second solver; 0: never */
};

/* The simulator's log, which libraries find by these names. */
void log_to_stdout_and_file(const char *prefix, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (prefix != NULL) printf("%s ", prefix);
    vprintf(format, arguments);
    va_end(arguments);
}

void log_to_stderr_and_file(bool ends, const char *prefix, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (prefix != NULL) printf("%s ", prefix);
    vprintf(format, arguments);
    va_end(arguments);
    if (ends) exit(EXIT_FAILURE);
}

static void fail(const char *what)
{
    fprintf(stderr, "host: %s\n", what);
    exit(2);
}

/* A table of the simulator's: a header, an entry of no meaning, and the entries. */
static struct string_hash_entry *new_settings(size_t capacity)
{
    struct settings_header *header = calloc(1, sizeof *header + (capacity + 1) * sizeof(struct string_hash_entry));
    header->length = 1;
    header->capacity = capacity + 1;
    return (struct string_hash_entry *)(void *)(header + 1) + 1;
}

static void add_setting(struct string_hash_entry *settings, char *name, char *value)
{
    struct settings_header *header = (struct settings_header *)(void *)(settings - 1) - 1;
    settings[header->length - 1] = (struct string_hash_entry){name, value};
    ++header->length;
}

static void free_settings(struct string_hash_entry *settings)
{
    free((struct settings_header *)(void *)(settings - 1) - 1);
}

static void *symbol(void *library, const char *name)
{
    void *found = dlsym(library, name);
    if (found == NULL) fail(dlerror());
    return found;
}

/* The coarse mesh of a run with refinement: every other cell. */
static void set_mesh(struct ode_solver *solver, bool fine)
{
    free(solver->cells_to_solve);
    const size_t n = fine ? solver->original_num_cells : (solver->original_num_cells + 1) / 2;
    solver->cells_to_solve = malloc(n * sizeof *solver->cells_to_solve);
    solver->num_cells_to_solve = n;
    /* Refined cells come last, so that the rows do not ascend. */
    const size_t n_even = (solver->original_num_cells + 1) / 2;
    for (size_t i = 0; i < n; ++i)
        solver->cells_to_solve[i] = (uint32_t)(i < n_even ? 2 * i : 2 * (i - n_even) + 1);
}

#ifdef COMPILE_CUDA
static void copy(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t n, size_t rows, unsigned kind)
{
    if (cudaMemcpy2D(to, to_pitch, from, from_pitch, n * sizeof(real), rows, kind) != 0) fail("a copy failed");
}
#endif

/* Structures of all cells, from wherever the states are, and back. */
static real *states_of(const struct ode_solver *solver)
{
    const size_t n_states = (size_t)solver->model_data.number_of_ode_equations, n = solver->original_num_cells;
    real *states = malloc(n * n_states * sizeof *states);
    if (!solver->gpu) memcpy(states, solver->sv, n * n_states * sizeof *states);
#ifdef COMPILE_CUDA
    if (solver->gpu) {
        real *rows = malloc(n * n_states * sizeof *rows);
        copy(rows, n * sizeof(real), solver->sv, solver->pitch, n, n_states, FROM_GPU);
        for (size_t i = 0; i < n; ++i)
            for (size_t j = 0; j < n_states; ++j) states[i * n_states + j] = rows[j * n + i];
        free(rows);
    }
#endif
    return states;
}

static void set_states(const struct ode_solver *solver, const real *states)
{
    const size_t n_states = (size_t)solver->model_data.number_of_ode_equations, n = solver->original_num_cells;
    if (!solver->gpu) memcpy(solver->sv, states, n * n_states * sizeof *states);
#ifdef COMPILE_CUDA
    if (solver->gpu) {
        real *rows = malloc(n * n_states * sizeof *rows);
        for (size_t i = 0; i < n; ++i)
            for (size_t j = 0; j < n_states; ++j) rows[j * n + i] = states[i * n_states + j];
        copy(solver->sv, solver->pitch, rows, n * sizeof(real), n, n_states, TO_GPU);
        free(rows);
    }
#endif
}

static void refine(struct ode_solver *solver)
{
    const size_t n_states = (size_t)solver->model_data.number_of_ode_equations;
#ifdef COMPILE_CUDA
    for (size_t odd = 1; solver->gpu && odd < solver->original_num_cells; odd += 2)
        copy(solver->sv + odd, solver->pitch, solver->sv + odd - 1, solver->pitch, 1, n_states, ON_GPU);
#endif
    for (size_t odd = 1; !solver->gpu && odd < solver->original_num_cells; odd += 2)
        memcpy(solver->sv + odd * n_states, solver->sv + (odd - 1) * n_states, n_states * sizeof(real));
    set_mesh(solver, true);
}

/* As new_ode_solver() and what follows until the first step. */
static struct ode_solver *open_solver(const char *path, const struct run *run, struct string_hash_entry *settings)
{
    struct ode_solver *solver = malloc(sizeof *solver);
    memset(solver, 0xAB, sizeof *solver); /* the simulator does not clear it */
    solver->sv = NULL;
    solver->cells_to_solve = NULL;
    solver->ode_extra_data = NULL;
    solver->extra_data_size = 0;
    solver->auto_dt = false;
    solver->adaptive = run->adaptive;
    solver->gpu = run->gpu;
    solver->gpu_id = 0;
    solver->min_dt = (real)run->dt;
    solver->model_data = (struct cell_model_data){-1, (real)1e300, NULL};
    solver->original_num_cells = (uint32_t)run->n_cells;
    solver->num_cells_to_solve = run->n_cells;
    solver->handle = dlopen(path, RTLD_LAZY);
    if (solver->handle == NULL) fail(dlerror());
    *(void **)&solver->get_cell_model_data = symbol(solver->handle, "init_cell_model_data");
    *(void **)&solver->set_ode_initial_conditions_cpu = symbol(solver->handle, "set_model_initial_conditions_cpu");
    *(void **)&solver->solve_model_ode_cpu = symbol(solver->handle, "solve_model_odes_cpu");
    if (run->extra_data) solver->ode_extra_data = calloc(run->n_cells, sizeof(uint32_t));
    if (run->refine_at > 0) set_mesh(solver, false);
    solver->get_cell_model_data(&solver->model_data, true, true);
    /* What the library finds in a struct of another layout. */
    if (run->wrong_layout) solver->get_cell_model_data = NULL;
    if (run->gpu) {
        *(void **)&solver->set_ode_initial_conditions_gpu = symbol(solver->handle, "set_model_initial_conditions_gpu");
        *(void **)&solver->solve_model_ode_gpu = symbol(solver->handle, "solve_model_odes_gpu");
        solver->pitch = solver->set_ode_initial_conditions_gpu(solver, settings);
    } else {
        solver->set_ode_initial_conditions_cpu(solver, settings);
    }
    if (solver->sv == NULL) fail("no states");
    solver->num_steps = (uint32_t)(run->dt_pde / run->dt);
    return solver;
}

static void close_solver(struct ode_solver *solver)
{
#ifdef COMPILE_CUDA
    if (solver->gpu) cudaFree(solver->sv), solver->sv = NULL;
#endif
    free(solver->sv);
    free(solver->cells_to_solve);
    free(solver->ode_extra_data);
    dlclose(solver->handle);
    free(solver);
}

/* A checkpoint has the states and the mesh, and nothing else that a library could want. */
static struct ode_solver *restored(struct ode_solver *old, const char *path, const struct run *run,
                                   struct string_hash_entry *settings)
{
    real *kept = states_of(old);
    const bool fine = old->num_cells_to_solve == run->n_cells;
    close_solver(old);
    struct ode_solver *solver = open_solver(path, run, settings);
    set_states(solver, kept);
    free(kept);
    if (run->refine_at > 0) set_mesh(solver, fine);
    return solver;
}

/* The stimulus of the simulator: multiplied by the number of steps. */
static void stimulate(const struct ode_solver *solver, double t, real *stimulus)
{
    for (size_t i = 0; i < solver->num_cells_to_solve; ++i) {
        const size_t row = solver->cells_to_solve ? solver->cells_to_solve[i] : i;
        const double s = t < 1.5 && row <= solver->original_num_cells / 4 ? 0.12 : 0.0;
        stimulus[i] = (real)s * (real)solver->num_steps;
    }
}

/* Diffusion along the cable between two steps of the ODEs: V of every cell is another number afterwards. V lies stride
 * numbers apart. */
static void diffuse_v(real *v, size_t stride, const struct ode_solver *solver)
{
    const size_t step = solver->num_cells_to_solve < solver->original_num_cells ? 2 : 1;
    for (int part = 0; part < 5; ++part) {
        real left = v[0];
        for (size_t i = 0; i < solver->original_num_cells; i += step) {
            const size_t next = i + step < solver->original_num_cells ? i + step : i;
            const real own = v[i * stride], right = v[next * stride];
            v[i * stride] = own + (real)0.3 * (left - 2 * own + right);
            left = own;
        }
    }
}

static void diffuse(const struct ode_solver *solver)
{
    if (!solver->gpu) diffuse_v(solver->sv, (size_t)solver->model_data.number_of_ode_equations, solver);
#ifdef COMPILE_CUDA
    if (solver->gpu) {
        const size_t n = solver->original_num_cells, size = n * sizeof(real);
        real *v = malloc(size);
        copy(v, size, solver->sv, size, n, 1, FROM_GPU);
        diffuse_v(v, 1, solver);
        copy(solver->sv, size, v, size, n, 1, TO_GPU);
        free(v);
    }
#endif
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void step(struct ode_solver *solver, struct string_hash_entry *settings, double t, real *stimulus)
{
    stimulate(solver, t, stimulus);
#ifdef COMPILE_CUDA
    if (solver->gpu) {
        gpu_mark("step");
        solver->solve_model_ode_gpu(solver, settings, (real)t, stimulus);
        gpu_mark("end of step");
        /* The simulator frees it after each step. */
        for (size_t i = 0; i < solver->num_cells_to_solve; ++i) stimulus[i] = (real)NAN;
    }
#endif
    if (!solver->gpu) solver->solve_model_ode_cpu(solver, settings, (real)t, stimulus);
    diffuse(solver);
}

static void write_states(FILE *out, const struct ode_solver *solver)
{
    const size_t n = solver->original_num_cells * (size_t)solver->model_data.number_of_ode_equations;
    real *states = states_of(solver);
    if (fwrite(states, sizeof(real), n, out) != n) fail("the states cannot be written");
    free(states);
}

/* Seconds in the library's steps alone, the least of some repetitions: others use the machine as well. */
static void time_steps(struct ode_solver *solver, struct string_hash_entry *settings, const struct run *run,
                       real *stimulus)
{
    double least = 1e30;
    for (int repetition = 0; repetition < 20; ++repetition) {
        const double begin = now();
        for (size_t k = 0; k < run->n_steps; ++k)
            solver->solve_model_ode_cpu(solver, settings, (real)((double)k * run->dt_pde), stimulus);
        const double passed = now() - begin;
        if (passed < least) least = passed;
    }
    printf("ns a cell and step: %.3f\n",
           1e9 * least / (double)(run->n_steps * run->n_cells * (size_t)solver->num_steps));
}

int main(int argc, char **argv)
{
    struct run run = {.n_cells = 200, .n_steps = 100, .dt = 0.1, .n_threads = 1};
    if (argc < 3) fail("host LIBRARY OUT [name=value ...]");
    struct string_hash_entry *settings = new_settings((size_t)argc), *purkinje = new_settings((size_t)argc);
    bool has_purkinje = false;
    for (int i = 3; i < argc; ++i) {
        char *name = argv[i], *value = strchr(name, '=');
        if (value == NULL) fail(name);
        *value++ = '\0';
        if (strcmp(name, "cells") == 0) run.n_cells = strtoul(value, NULL, 10);
        else if (strcmp(name, "steps") == 0) run.n_steps = strtoul(value, NULL, 10);
        else if (strcmp(name, "dt") == 0) run.dt = atof(value);
        else if (strcmp(name, "dt_pde") == 0) run.dt_pde = atof(value);
        else if (strcmp(name, "threads") == 0) run.n_threads = atoi(value);
        else if (strcmp(name, "adaptive") == 0) run.adaptive = atoi(value);
        else if (strcmp(name, "use_gpu") == 0) run.gpu = atoi(value);
        else if (strcmp(name, "extra_data") == 0) run.extra_data = atoi(value);
        else if (strcmp(name, "wrong_layout") == 0) run.wrong_layout = atoi(value);
        else if (strcmp(name, "timed") == 0) run.timed = atoi(value);
        else if (strcmp(name, "refine_at") == 0) run.refine_at = strtoul(value, NULL, 10);
        else if (strcmp(name, "restore_at") == 0) run.restore_at = strtoul(value, NULL, 10);
        else if (strncmp(name, "purkinje:", 9) == 0) add_setting(purkinje, name + 9, value), has_purkinje = true;
        else add_setting(settings, name, value);
    }
    if (run.dt_pde == 0) run.dt_pde = run.dt;
    omp_set_num_threads(run.n_threads);
    struct ode_solver *tissue = open_solver(argv[1], &run, settings);
    struct ode_solver *fibres = has_purkinje ? open_solver(argv[1], &run, purkinje) : NULL;
    real *stimulus = calloc(run.n_cells, sizeof *stimulus);
    for (size_t k = 0; k < run.n_steps && !run.timed; ++k) {
        const double t = (double)k * run.dt_pde;
        if (fibres != NULL) step(fibres, purkinje, t, stimulus);
        step(tissue, settings, t, stimulus);
        if (run.refine_at > 0 && k + 1 == run.refine_at) refine(tissue);
        if (run.restore_at > 0 && k + 1 == run.restore_at) tissue = restored(tissue, argv[1], &run, settings);
    }
    if (run.timed) time_steps(tissue, settings, &run, stimulus);
    FILE *out = fopen(argv[2], "wb");
    if (out == NULL) fail(argv[2]);
    write_states(out, tissue);
    if (fibres != NULL) write_states(out, fibres);
    fclose(out);
    if (fibres != NULL) close_solver(fibres);
    close_solver(tissue);
    free(stimulus);
    free_settings(settings);
    free_settings(purkinje);
    return 0;
}
