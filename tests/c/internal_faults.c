// Panics inside the library, in the caller's thread and in a helper's: the host goes on, and so do its
// other sessions. For a library that was built with the feature planted-faults.
//
// Arguments: fhn_euler_coarse.onnx formula_network.onnx

#define _POSIX_C_SOURCE 200809L

#include <pthread.h>

#include "check.h"

enum { N = 200 };

static emucell_surrogate *step_map, *network;

static emucell_session *new_session(const emucell_surrogate *surrogate, uint32_t n_threads)
{
    emucell_session *session = NULL;
    emucell_session_options options;
    CHECK_OK(emucell_session_options_init(&options));
    options.n_threads = n_threads;
    CHECK_OK(emucell_session_create(surrogate, &options, &session));
    if (!session)
        exit(1);
    return session;
}

// The NaN that asks for a fault; any other NaN is a number like others.
static float request(void)
{
    const uint32_t bits = 0x7fc0dead;
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

static emucell_status step(emucell_session *session, int faulty_cell)
{
    float state[2 * N], stimulus = 0;
    for (int i = 0; i < 2 * N; i++)
        state[i] = 0.01f;
    state[4] = NAN;
    if (faulty_cell >= 0)
        state[2 * faulty_cell] = request();
    emucell_cells cells;
    CHECK_OK(emucell_cells_init(&cells));
    cells.n_cells = N;
    cells.state = emucell_view_of_structures(state, EMUCELL_F32, N, 2);
    cells.stimulus = emucell_view_of_structures(&stimulus, EMUCELL_F32, 1, 1);
    cells.stimulus.cell_stride = 0;
    return emucell_step(session, &cells, 0.1, 2);
}

static emucell_status evaluate(emucell_session *session, int faulty_cell)
{
    float inputs[3 * N] = {0}, outputs[2 * N];
    if (faulty_cell >= 0)
        inputs[3 * faulty_cell + 1] = request();
    const emucell_view in = emucell_view_of_structures(inputs, EMUCELL_F32, N, 3);
    const emucell_view out = emucell_view_of_structures(outputs, EMUCELL_F32, N, 2);
    return emucell_evaluate(session, N, &in, &out);
}

static emucell_status evaluate_times(emucell_session *session, int faulty_cell)
{
    float inputs[2 * N] = {0}, outputs[2 * 3 * N];
    const double times[3] = {0, 1, 2};
    if (faulty_cell >= 0)
        inputs[2 * faulty_cell + 1] = request();
    const emucell_view in = emucell_view_of_structures(inputs, EMUCELL_F32, N, 2);
    const emucell_view out = emucell_view_of_structures(outputs, EMUCELL_F32, N, 6);
    return emucell_evaluate_times(session, N, &in, times, 3, &out);
}

typedef emucell_status (*call)(emucell_session *session, int faulty_cell);

// With several threads the first cells are the caller's and the last ones a helper's.
static void fault(const emucell_surrogate *surrogate, call run, uint32_t n_threads, int faulty_cell)
{
    emucell_session *session = new_session(surrogate, n_threads), *other = new_session(surrogate, n_threads);
    CHECK_OK(run(session, -1));
    CHECK_FAILS(run(session, faulty_cell), EMUCELL_PANIC, "planted in input");
    // Where it happened, and what to do.
    CHECK(strstr(emucell_last_error_message(), "planted.rs:"));
    CHECK(strstr(emucell_last_error_message(), "report"));
    for (int i = 0; i < 3; i++)
        CHECK_FAILS(run(session, -1), EMUCELL_POISONED, "destroy it");
    CHECK_OK(run(other, -1));
    emucell_session_destroy(&session);
    CHECK(session == NULL);
    session = new_session(surrogate, n_threads);
    CHECK_OK(run(session, -1));
    emucell_session_destroy(&session);
    emucell_session_destroy(&other);
}

static void all_faults(void)
{
    for (uint32_t n_threads = 1; n_threads <= 3; n_threads++) {
        const int cells[] = {0, N / 2, N - 1};
        for (size_t i = 0; i < N_ELEMENTS(cells); i++) {
            fault(step_map, step, n_threads, cells[i]);
            fault(network, evaluate, n_threads, cells[i]);
            fault(network, evaluate_times, n_threads, cells[i]);
        }
    }
}

// The same where the process did not begin.
static void *in_thread(void *argument)
{
    (void)argument;
    all_faults();
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    CHECK_OK(emucell_surrogate_load(argv[1], &step_map));
    CHECK_OK(emucell_surrogate_load(argv[2], &network));
    all_faults();
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, in_thread, NULL) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    emucell_surrogate_destroy(&step_map);
    emucell_surrogate_destroy(&network);
    return failures != 0;
}
