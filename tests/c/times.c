// A solution map at many times of the same cells: the numbers beside the formula and beside emucell_evaluate(), bad
// input, a second thread, and guards.
//
// Arguments: formula_network.onnx fhn_euler_coarse.onnx decay.onnx

#define _POSIX_C_SOURCE 200809L

#include <pthread.h>
#include <time.h>

#include "check.h"
#include "expected.h"

enum { N = 70, N_TIMES = 41, WIDTH = 2 * N_TIMES };

static emucell_surrogate *network, *step_map, *decay;
static double inputs[2 * N], times[N_TIMES], outputs[N * WIDTH];

static emucell_session *new_session(const emucell_surrogate *surrogate, uint32_t n_threads, uint32_t guard)
{
    emucell_session_options options;
    emucell_session *session = NULL;
    CHECK_OK(emucell_session_options_init(&options));
    options.n_threads = n_threads;
    options.guard = guard;
    CHECK_OK(emucell_session_create(surrogate, &options, &session));
    return session;
}

static void fill(void)
{
    for (int i = 0; i < N; i++) {
        inputs[2 * i] = -0.1 + 0.9 * i / N;
        inputs[2 * i + 1] = 0.12 - 0.12 * i / N;
    }
    for (int k = 0; k < N_TIMES; k++)
        times[k] = 0.6 * k;
    for (int i = 0; i < N * WIDTH; i++)
        outputs[i] = 77;
}

// The first n cells at the first n_times times, and nothing else.
static void numbers(uint32_t n_threads, int n, int n_times)
{
    emucell_session *session = new_session(network, n_threads, EMUCELL_GUARD_IGNORE);
    const size_t n_cells = (size_t)n;
    const emucell_view in = emucell_view_of_structures(inputs, EMUCELL_F64, n_cells, 2);
    const emucell_view out = emucell_view_of_structures(outputs, EMUCELL_F64, n_cells, 2 * (uint32_t)n_times);
    fill();
    CHECK_OK(emucell_evaluate_times(session, n_cells, &in, times, (size_t)n_times, &out));
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < n_times; k++) {
            double x[3] = {times[k], inputs[2 * i], inputs[2 * i + 1]}, one[2], expected[2];
            const double *found = outputs + 2 * (i * n_times + k);
            formula_network(x, expected);
            CHECK_CLOSE(found[0], expected[0], 2e-5);
            CHECK_CLOSE(found[1], expected[1], 2e-5);
            const emucell_view x_view = emucell_view_of_structures(x, EMUCELL_F64, 1, 3);
            const emucell_view y_view = emucell_view_of_structures(one, EMUCELL_F64, 1, 2);
            CHECK_OK(emucell_evaluate(session, 1, &x_view, &y_view));
            CHECK(found[0] == one[0] && found[1] == one[1]);
        }
    }
    for (int i = 2 * n * n_times; i < N * WIDTH; i++)
        CHECK(outputs[i] == 77);

    // Arrays of singles with room between them.
    static float rows[WIDTH * (N + 5)];
    for (size_t i = 0; i < N_ELEMENTS(rows); i++)
        rows[i] = 77;
    const emucell_view pitched = emucell_view_of_arrays(rows, EMUCELL_F32, n_cells, 2 * (uint32_t)n_times, N + 5);
    CHECK_OK(emucell_evaluate_times(session, n_cells, &in, times, (size_t)n_times, &pitched));
    for (int j = 0; j < 2 * n_times; j++)
        for (int i = 0; i < N + 5; i++)
            CHECK(rows[j * (N + 5) + i] == (i < n ? (float)outputs[i * 2 * n_times + j] : 77));
    emucell_session_destroy(&session);
}

// The time is the only input: there are no others to view.
static void time_alone(void)
{
    emucell_session *session = new_session(decay, 1, EMUCELL_GUARD_IGNORE);
    double y[2 * N_TIMES];
    const emucell_view out = emucell_view_of_structures(y, EMUCELL_F64, 2, N_TIMES);
    CHECK_OK(emucell_evaluate_times(session, 2, NULL, times, N_TIMES, &out));
    for (int i = 0; i < 2 * N_TIMES; i++)
        CHECK_CLOSE(y[i], exp(-times[i % N_TIMES]), 1e-6);
    const emucell_view in = emucell_view_of_structures(inputs, EMUCELL_F64, 2, 1);
    CHECK_FAILS(emucell_evaluate_times(session, 2, &in, times, N_TIMES, &out), EMUCELL_INVALID_ARGUMENT,
                "inputs without the time of 1 variables where the surrogate has 0");
    emucell_session_destroy(&session);
}

static int32_t no_fallback(void *data, const emucell_fallback_call *call)
{
    (void)data;
    (void)call;
    return 1;
}

static void bad_input(void)
{
    fill();
    emucell_session *session = new_session(network, 1, EMUCELL_GUARD_IGNORE);
    const emucell_view good_in = emucell_view_of_structures(inputs, EMUCELL_F64, N, 2);
    const emucell_view good_out = emucell_view_of_structures(outputs, EMUCELL_F64, N, WIDTH);

#define CHECK_REFUSED(session, in, times, n_times, out, text)                                               \
    do {                                                                                                    \
        CHECK_FAILS(emucell_evaluate_times(session, N, in, times, n_times, out), EMUCELL_INVALID_ARGUMENT,  \
                    text);                                                                                  \
        for (int i_ = 0; i_ < N * WIDTH; i_++)                                                              \
            CHECK(outputs[i_] == 77);                                                                       \
    } while (0)

    CHECK_REFUSED(NULL, &good_in, times, N_TIMES, &good_out, "session is NULL");
    CHECK_REFUSED(session, NULL, times, N_TIMES, &good_out, "inputs is NULL");
    CHECK_REFUSED(session, &good_in, NULL, N_TIMES, &good_out, "times is NULL");
    CHECK_REFUSED(session, &good_in, (double *)((char *)times + 4), N_TIMES - 1, &good_out, "times is not aligned");
    CHECK_REFUSED(session, &good_in, times, N_TIMES, NULL, "outputs is NULL");
    CHECK_REFUSED(session, &good_in, times, N_TIMES - 1, &good_out, "outputs of all times of 82 variables");
    CHECK_REFUSED(session, &good_in, times, SIZE_MAX, &good_out, "times for outputs of 82 variables");
    const emucell_view no_time = emucell_view_of_structures(outputs, EMUCELL_F64, N, 2);
    // With no times the list is not even read.
    CHECK_REFUSED(session, &good_in, NULL, 0, &no_time, "no time to evaluate at");

#define CHECK_VIEW_REFUSED(assignment, text)                                \
    do {                                                                    \
        emucell_view in = good_in, out = good_out;                          \
        assignment;                                                         \
        CHECK_REFUSED(session, &in, times, N_TIMES, &out, text);            \
    } while (0)

    CHECK_VIEW_REFUSED(in.n_variables = 1, "inputs without the time of 1 variables where the surrogate has 2");
    CHECK_VIEW_REFUSED(in.length--, "in inputs");
    CHECK_VIEW_REFUSED(out.length--, "in outputs");
    CHECK_VIEW_REFUSED(out.cell_stride = 0, "two elements in one place");
    CHECK_VIEW_REFUSED(in.element_type = 0, "in inputs");
    CHECK_VIEW_REFUSED(in.data = outputs + N * WIDTH - 2 * N, "outputs and inputs share memory");
    CHECK_REFUSED(session, &good_in, outputs + 5, N_TIMES, &good_out, "outputs and times share memory");
    emucell_session_destroy(&session);

    emucell_session *steps = new_session(step_map, 1, EMUCELL_GUARD_IGNORE);
    CHECK_REFUSED(steps, &good_in, times, N_TIMES, &good_out, "no solution map with a time as input");
    emucell_session_destroy(&steps);
    emucell_session *flags = new_session(network, 1, EMUCELL_GUARD_FLAG);
    CHECK_REFUSED(flags, &good_in, times, N_TIMES, &good_out, "guard Flag");
    emucell_session_destroy(&flags);
    emucell_session_options options;
    CHECK_OK(emucell_session_options_init(&options));
    options.guard = EMUCELL_GUARD_FALLBACK;
    options.fallback = no_fallback;
    CHECK_OK(emucell_session_create(network, &options, &session));
    CHECK_FAILS(emucell_evaluate_times(session, N, &good_in, times, N_TIMES, &good_out), EMUCELL_UNSUPPORTED,
                "with a fallback function");
    emucell_session_destroy(&session);
    for (int i = 0; i < N * WIDTH; i++)
        CHECK(outputs[i] == 77);
}

// A time outside the domain is outside for all cells, a cell at all times.
static void guards(void)
{
    fill();
    emucell_session *session = new_session(network, 2, EMUCELL_GUARD_CLAMP);
    inputs[2 * 5] = 3;
    times[N_TIMES - 1] = 26;
    times[N_TIMES - 2] = 25;
    const emucell_view in = emucell_view_of_structures(inputs, EMUCELL_F64, N, 2);
    const emucell_view out = emucell_view_of_structures(outputs, EMUCELL_F64, N, WIDTH);
    CHECK_OK(emucell_evaluate_times(session, N, &in, times, N_TIMES, &out));
    emucell_counters counters;
    CHECK_OK(emucell_counters_init(&counters));
    CHECK_OK(emucell_session_counters(session, &counters));
    CHECK(counters.n_calls == 1 && counters.n_cell_steps == N * N_TIMES && counters.n_not_finite == 0);
    int n_outside = 0;
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N_TIMES; k++)
            n_outside += i == 5 || k == N_TIMES - 1;
    CHECK(counters.n_outside_domain == (uint64_t)n_outside);
    double border[3] = {25, 0.81, inputs[2 * 5 + 1]}, expected[2];
    formula_network(border, expected);
    for (int k = N_TIMES - 2; k < N_TIMES; k++) {
        CHECK_CLOSE(outputs[5 * WIDTH + 2 * k], expected[0], 2e-5);
        CHECK_CLOSE(outputs[5 * WIDTH + 2 * k + 1], expected[1], 2e-5);
    }
    emucell_session_destroy(&session);
}

enum { N_LONG = 20000 };
static emucell_session *shared;
static int has_ended;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int ended(int now)
{
    pthread_mutex_lock(&lock);
    has_ended |= now;
    int value = has_ended;
    pthread_mutex_unlock(&lock);
    return value;
}

// Keeps the shared session in long calls until the other thread has been refused.
static void *use_all_the_time(void *argument)
{
    (void)argument;
    static float x[2 * N_LONG], y[2 * N_LONG * 2];
    const emucell_view in = emucell_view_of_structures(x, EMUCELL_F32, N_LONG, 2);
    const emucell_view out = emucell_view_of_structures(y, EMUCELL_F32, N_LONG, 4);
    size_t wrong = 0;
    while (!ended(0)) {
        emucell_status status = emucell_evaluate_times(shared, N_LONG, &in, times, 2, &out);
        wrong += status != EMUCELL_OK && status != EMUCELL_BUSY;
    }
    return (void *)wrong;
}

static void two_threads(void)
{
    fill();
    shared = new_session(network, 1, EMUCELL_GUARD_IGNORE);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, use_all_the_time, NULL) == 0);
    const emucell_view in = emucell_view_of_structures(inputs, EMUCELL_F64, 1, 2);
    const emucell_view out = emucell_view_of_structures(outputs, EMUCELL_F64, 1, WIDTH);
    emucell_status status = EMUCELL_OK;
    // Without the pause a scheduler that is not fair, as Valgrind's, may never let the other thread begin.
    const struct timespec pause = {0, 1000000};
    for (int i = 0; i < 10000 && status == EMUCELL_OK; i++) {
        nanosleep(&pause, NULL);
        status = emucell_evaluate_times(shared, 1, &in, times, N_TIMES, &out);
    }
    CHECK_STATUS(status, EMUCELL_BUSY);
    ended(1);
    void *wrong = NULL;
    CHECK(pthread_join(thread, &wrong) == 0);
    CHECK(wrong == NULL);
    CHECK_OK(emucell_evaluate_times(shared, 1, &in, times, N_TIMES, &out));
    emucell_session_destroy(&shared);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    CHECK_OK(emucell_surrogate_load(argv[1], &network));
    CHECK_OK(emucell_surrogate_load(argv[2], &step_map));
    CHECK_OK(emucell_surrogate_load(argv[3], &decay));
    if (failures)
        return 1;
    for (uint32_t n_threads = 1; n_threads <= 3; n_threads++) {
        const int sizes[][2] = {{1, 1}, {1, 26}, {3, N_TIMES}, {33, 2}, {N, N_TIMES}};
        for (size_t i = 0; i < N_ELEMENTS(sizes); i++)
            numbers(n_threads, sizes[i][0], sizes[i][1]);
    }
    time_alone();
    bad_input();
    guards();
    two_threads();
    emucell_surrogate_destroy(&network);
    emucell_surrogate_destroy(&step_map);
    emucell_surrogate_destroy(&decay);
    return failures != 0;
}
