// Many threads with a session each over one surrogate, while others load and free; two threads that
// share a session by mistake. Memory checkers watch this program, too.
//
// Arguments: fhn_euler_coarse.onnx formula_network.onnx

#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <time.h>

#include "check.h"
#include "expected.h"

enum { N_THREADS = 16, N_CELLS = 200, N_CALLS = 50, N_CELLS_OF_A_LONG_CALL = 50000 };

static emucell_surrogate *surrogate;
static const char *network_path;
static const float NO_STIMULUS = 0;

static emucell_cells cells_of(float *state, size_t n)
{
    emucell_cells cells;
    CHECK_OK(emucell_cells_init(&cells));
    cells.n_cells = n;
    cells.state = emucell_view_of_arrays(state, EMUCELL_F32, n, 2, n);
    cells.stimulus = emucell_view_of_structures((void *)&NO_STIMULUS, EMUCELL_F32, 1, 1);
    cells.stimulus.cell_stride = 0;
    return cells;
}

typedef struct task {
    float u0;
    uint32_t n_threads;
} task;

// Failures are counted by the thread and returned, since the counter of check.h is not shared.
static void *step_own_session(void *argument)
{
    const task *own = argument;
    float state[2 * N_CELLS], u = own->u0, w = 0;
    for (int i = 0; i < N_CELLS; i++) {
        state[i] = own->u0;
        state[N_CELLS + i] = 0;
    }
    emucell_session *session = NULL;
    emucell_session_options options;
    size_t wrong = emucell_session_options_init(&options) != EMUCELL_OK;
    options.n_threads = own->n_threads;
    wrong += emucell_session_create(surrogate, &options, &session) != EMUCELL_OK;
    emucell_cells cells = cells_of(state, N_CELLS);
    for (int call = 0; call < N_CALLS; call++) {
        wrong += emucell_step(session, &cells, 0.1, 1) != EMUCELL_OK;
        // Messages are one a thread: this one must not be another thread's.
        wrong += emucell_step(session, &cells, 1.0 + own->u0, 1) != EMUCELL_WRONG_STEP;
        char text[32];
        snprintf(text, sizeof text, "a step of %g ", 1.0 + own->u0);
        wrong += strncmp(emucell_last_error_message(), text, 12) != 0;
        fhn_euler(&u, &w, 0, FHN_THRESHOLD, 0.1f);
    }
    for (int i = 0; i < N_CELLS; i++)
        wrong += !(fabsf(state[i] - u) < 1e-5f && fabsf(state[N_CELLS + i] - w) < 1e-5f);
    emucell_session_destroy(&session);
    return (void *)wrong;
}

// Loads a surrogate, frees it before its session, evaluates; also asks the shared one what it is.
static void *load_and_free(void *argument)
{
    (void)argument;
    size_t wrong = 0;
    for (int i = 0; i < N_CALLS; i++) {
        emucell_surrogate *network = NULL;
        emucell_session *session = NULL;
        emucell_variable variable;
        wrong += emucell_surrogate_load(network_path, &network) != EMUCELL_OK;
        wrong += emucell_session_create(network, NULL, &session) != EMUCELL_OK;
        emucell_surrogate_destroy(&network);
        const double inputs[3] = {1.0, 0.2, 0.05};
        double outputs[2], expected[2];
        const emucell_view in = emucell_view_of_structures((void *)inputs, EMUCELL_F64, 1, 3);
        const emucell_view out = emucell_view_of_structures(outputs, EMUCELL_F64, 1, 2);
        wrong += emucell_evaluate(session, 1, &in, &out) != EMUCELL_OK;
        formula_network(inputs, expected);
        wrong += !(fabs(outputs[0] - expected[0]) < 2e-5 && fabs(outputs[1] - expected[1]) < 2e-5);
        emucell_session_destroy(&session);
        wrong += emucell_surrogate_input(surrogate, 0, &variable) != EMUCELL_OK || strcmp(variable.name, "u") != 0;
    }
    return (void *)wrong;
}

static void sessions_of_their_own(uint32_t n_threads)
{
    pthread_t threads[N_THREADS], others[2];
    task tasks[N_THREADS];
    for (int i = 0; i < N_THREADS; i++) {
        tasks[i].u0 = 0.0625f * i;
        tasks[i].n_threads = n_threads;
        CHECK(pthread_create(&threads[i], NULL, step_own_session, &tasks[i]) == 0);
    }
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&others[i], NULL, load_and_free, NULL) == 0);
    for (int i = 0; i < N_THREADS + 2; i++) {
        void *wrong = NULL;
        CHECK(pthread_join(i < N_THREADS ? threads[i] : others[i - N_THREADS], &wrong) == 0);
        CHECK(wrong == NULL);
    }
}

static emucell_session *shared_session;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int ended;

static int has_ended(void)
{
    pthread_mutex_lock(&lock);
    int value = ended;
    pthread_mutex_unlock(&lock);
    return value;
}

// Keeps the shared session in long calls until told to end.
static void *use_all_the_time(void *argument)
{
    (void)argument;
    float *state = calloc(2 * N_CELLS_OF_A_LONG_CALL, sizeof *state);
    emucell_cells cells = cells_of(state, N_CELLS_OF_A_LONG_CALL);
    size_t wrong = 0;
    while (!has_ended()) {
        emucell_status status = emucell_step(shared_session, &cells, 0.1, 100);
        wrong += status != EMUCELL_OK && status != EMUCELL_BUSY;
    }
    free(state);
    return (void *)wrong;
}

static void a_shared_session_is_busy(void)
{
    pthread_t thread;
    CHECK_OK(emucell_session_create(surrogate, NULL, &shared_session));
    CHECK(pthread_create(&thread, NULL, use_all_the_time, NULL) == 0);
    float state[2] = {0.5f, 0.0f};
    emucell_cells cells = cells_of(state, 1);
    emucell_status status = EMUCELL_OK;
    const struct timespec pause = {0, 1000000};
    for (int i = 0; i < 10000 && status == EMUCELL_OK; i++) {
        nanosleep(&pause, NULL);
        state[0] = 0.5f;
        status = emucell_step(shared_session, &cells, 0.1, 1);
    }
    CHECK_STATUS(status, EMUCELL_BUSY);
    CHECK(state[0] == 0.5f);
    CHECK(strstr(emucell_last_error_message(), "session for each thread"));
    pthread_mutex_lock(&lock);
    ended = 1;
    pthread_mutex_unlock(&lock);
    void *wrong = NULL;
    CHECK(pthread_join(thread, &wrong) == 0);
    CHECK(wrong == NULL);
    CHECK_OK(emucell_step(shared_session, &cells, 0.1, 1));
    emucell_session_destroy(&shared_session);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    network_path = argv[2];
    CHECK_OK(emucell_surrogate_load(argv[1], &surrogate));
    if (!surrogate)
        return 1;
    sessions_of_their_own(1);
    sessions_of_their_own(3);
    a_shared_session_is_busy();
    emucell_surrogate_destroy(&surrogate);
    return failures != 0;
}
