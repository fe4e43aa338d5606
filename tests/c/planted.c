// Faults of a host, each of which a memory checker must find: whoever finds none of them finds nothing.
//
// Arguments: fhn_euler_coarse.onnx and which one

#include <pthread.h>

#include "check.h"

enum { N = 1000 };

static emucell_surrogate *surrogate;

static emucell_cells cells_at(float *state)
{
    static const float no_stimulus = 0;
    emucell_cells cells;
    CHECK_OK(emucell_cells_init(&cells));
    cells.n_cells = N;
    cells.state = emucell_view_of_structures(state, EMUCELL_F32, N, 2);
    cells.stimulus = emucell_view_of_structures((void *)&no_stimulus, EMUCELL_F32, 1, 1);
    cells.stimulus.cell_stride = 0;
    return cells;
}

static void step(float *state, uint32_t guard)
{
    emucell_session *session = NULL;
    emucell_session_options options;
    CHECK_OK(emucell_session_options_init(&options));
    options.guard = guard;
    CHECK_OK(emucell_session_create(surrogate, &options, &session));
    const emucell_cells cells = cells_at(state);
    CHECK_OK(emucell_step(session, &cells, 0.1, 10));
    emucell_session_destroy(&session);
}

// The view tells of a cell more than there are.
static void overrun(void)
{
    float *state = calloc(2 * N - 2, sizeof *state);
    step(state, EMUCELL_GUARD_IGNORE);
    free(state);
}

static void use_after_free(void)
{
    float *volatile state = calloc(2 * N, sizeof *state);
    free(state);
    step(state, EMUCELL_GUARD_IGNORE);
}

static void uninitialised(void)
{
    float *state = malloc(2 * N * sizeof *state);
    step(state, EMUCELL_GUARD_COUNT);
    free(state);
}

static void leak(void)
{
    emucell_session *session = NULL;
    CHECK_OK(emucell_session_create(surrogate, NULL, &session));
}

static void overflow(void)
{
    volatile int largest = 2147483647;
    largest = largest + 1;
}

static void *step_in_thread(void *state)
{
    for (int i = 0; i < 100; i++)
        step(state, EMUCELL_GUARD_IGNORE);
    return NULL;
}

// Two sessions, as it should be, but one state.
static void race(void)
{
    float *state = calloc(2 * N, sizeof *state);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, step_in_thread, state) == 0);
    step_in_thread(state);
    pthread_join(thread, NULL);
    free(state);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } faults[] = {{"overrun", overrun},           {"use_after_free", use_after_free},
                  {"uninitialised", uninitialised}, {"leak", leak},
                  {"overflow", overflow},         {"race", race}};
    if (argc != 3)
        return 2;
    CHECK_OK(emucell_surrogate_load(argv[1], &surrogate));
    for (size_t i = 0; i < N_ELEMENTS(faults); i++)
        if (strcmp(argv[2], faults[i].name) == 0)
            faults[i].run();
    emucell_surrogate_destroy(&surrogate);
    return failures != 0;
}
