/* What the plug-in costs beside the surrogate itself: emucell_step() on cells as the simulator has them, without the
 * plug-in, timed as host.c times a library (timed=1).
 *
 *     overhead SURROGATE.onnx N_CELLS N_STEPS */
#include <emucell.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void check(enum emucell_status status)
{
    if (status == EMUCELL_OK) return;
    fprintf(stderr, "overhead: %s\n", emucell_last_error_message());
    exit(EXIT_FAILURE);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    if (argc != 4) return fprintf(stderr, "overhead SURROGATE.onnx N_CELLS N_STEPS\n"), EXIT_FAILURE;
    const size_t n = strtoul(argv[2], NULL, 10), n_steps = strtoul(argv[3], NULL, 10);
    emucell_surrogate *surrogate = NULL;
    emucell_session *session = NULL;
    uint32_t kind = 0;
    double dt = 0;
    check(emucell_surrogate_load(argv[1], &surrogate));
    check(emucell_surrogate_kind(surrogate, &kind, &dt));
    emucell_session_options options;
    emucell_session_options_init(&options);
    options.guard = EMUCELL_GUARD_COUNT;
    check(emucell_session_create(surrogate, &options, &session));
    const size_t n_states = emucell_surrogate_n_outputs(surrogate);
    double *states = calloc(n * n_states, sizeof *states), *stimulus = calloc(n, sizeof *stimulus);
    double *initial = calloc(n_states, sizeof *initial);
    check(emucell_surrogate_initial_state(surrogate, initial, n_states));
    for (size_t i = 0; i < n * n_states; ++i) states[i] = initial[i % n_states];
    emucell_cells cells;
    emucell_cells_init(&cells);
    cells.n_cells = cells.n_rows = n;
    cells.state = emucell_view_of_structures(states, EMUCELL_F64, n, (uint32_t)n_states);
    cells.stimulus = emucell_view_of_structures(stimulus, EMUCELL_F64, n, 1);
    double least = 1e30;
    for (int repetition = 0; repetition < 20; ++repetition) {
        const double begin = now();
        for (size_t k = 0; k < n_steps; ++k) check(emucell_step(session, &cells, dt, 1));
        const double passed = now() - begin;
        if (passed < least) least = passed;
    }
    printf("ns a cell and step: %.3f\n", 1e9 * least / (double)(n * n_steps));
    free(states);
    free(stimulus);
    free(initial);
    emucell_session_destroy(&session);
    emucell_surrogate_destroy(&surrogate);
    return 0;
}
