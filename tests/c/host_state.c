// What belongs to the host stays as it is: signals, environment, locale, floating-point settings. And
// none of it, nor a fork or a small stack, changes what the library computes.
//
// Arguments: fhn_euler_coarse.onnx formula_network.onnx

#define _GNU_SOURCE

#include <fenv.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __x86_64__
#include <xmmintrin.h>
#endif

#include "check.h"

enum { N = 77, N_STEPS = 200, MAX_ENVIRONMENT = 1000 };

extern char **environ;

static const char *step_map_path, *network_path;

// Everything that a call can give back.
typedef struct results {
    float state[2 * N];
    double outputs[2 * N];
    uint8_t status[N];
} results;

// Made once, because arithmetic of the host obeys its settings: cells of all kinds, good ones, denormal,
// outside the domain, infinite, NaN.
static float states[2 * N], stimulus[N];
static double inputs[3 * N];

static void make_inputs(void)
{
    for (int i = 0; i < N; i++) {
        states[2 * i] = i % 5 ? 0.013f * i : 1e-40f * i;
        states[2 * i + 1] = i % 7 ? 0.002f * i : 1e-44f;
        stimulus[i] = i % 3 ? 0.0f : 0.12f;
        inputs[3 * i] = 0.3 * i;
        inputs[3 * i + 1] = i % 5 ? -0.1 + 0.01 * i : 1e-310;
        inputs[3 * i + 2] = 0.001 * i;
    }
    states[2 * 3] = NAN;
    states[2 * 9] = INFINITY;
    states[2 * 41 + 1] = -INFINITY;
    states[2 * 50] = 1e30f;
    inputs[3 * 11] = 1e300;
    inputs[3 * 12 + 1] = -INFINITY;
    inputs[3 * 13 + 2] = NAN;
}

static results run(emucell_session *step_session, emucell_session *evaluate_session)
{
    results r;
    memset(&r, 0, sizeof r);
    memcpy(r.state, states, sizeof states);
    emucell_cells cells;
    CHECK_OK(emucell_cells_init(&cells));
    cells.n_cells = N;
    cells.state = emucell_view_of_structures(r.state, EMUCELL_F32, N, 2);
    cells.stimulus = emucell_view_of_structures(stimulus, EMUCELL_F32, N, 1);
    cells.status = r.status;
    CHECK_OK(emucell_step(step_session, &cells, 0.1, N_STEPS));
    emucell_view in = emucell_view_of_structures(inputs, EMUCELL_F64, N, 3);
    emucell_view out = emucell_view_of_structures(r.outputs, EMUCELL_F64, N, 2);
    CHECK_OK(emucell_evaluate(evaluate_session, N, &in, &out));
    // One cell only: other code than for many.
    CHECK_OK(emucell_evaluate(evaluate_session, 1, &in, &out));
    return r;
}

// Loads, runs and frees everything.
static results use_library(uint32_t n_threads)
{
    emucell_surrogate *step_map = NULL, *network = NULL;
    emucell_session *step_session = NULL, *evaluate_session = NULL;
    emucell_session_options options;
    CHECK_OK(emucell_session_options_init(&options));
    options.n_threads = n_threads;
    CHECK_OK(emucell_surrogate_load(step_map_path, &step_map));
    CHECK_OK(emucell_surrogate_load(network_path, &network));
    CHECK_OK(emucell_session_create(step_map, &options, &step_session));
    CHECK_OK(emucell_session_create(network, &options, &evaluate_session));
    emucell_surrogate *none = NULL;
    CHECK_STATUS(emucell_surrogate_load("no/such/file", &none), EMUCELL_IO);
    results r = run(step_session, evaluate_session);
    emucell_session_destroy(&step_session);
    emucell_session_destroy(&evaluate_session);
    emucell_surrogate_destroy(&step_map);
    emucell_surrogate_destroy(&network);
    return r;
}

static int same(const results *left, const results *right)
{
    return memcmp(left, right, sizeof *left) == 0;
}

// --- what belongs to the process ------------------------------------------------------------------

typedef struct process {
    struct sigaction actions[NSIG];
    sigset_t mask;
    stack_t stack;
    char *environment[MAX_ENVIRONMENT];
    char locale[200], folder[4096];
    mode_t umask;
} process;

static void look_at(process *p)
{
    memset(p, 0, sizeof *p);
    for (int signal = 1; signal < NSIG; signal++)
        sigaction(signal, NULL, &p->actions[signal]);
    pthread_sigmask(SIG_SETMASK, NULL, &p->mask);
    sigaltstack(NULL, &p->stack);
    for (int i = 0; environ[i] && i < MAX_ENVIRONMENT; i++)
        p->environment[i] = strdup(environ[i]);
    snprintf(p->locale, sizeof p->locale, "%s", setlocale(LC_ALL, NULL));
    CHECK(getcwd(p->folder, sizeof p->folder));
    p->umask = umask(0);
    umask(p->umask);
}

// Member by member: the C library leaves what lies between them and behind the last signal as it was.
static int same_signals(const sigset_t *left, const sigset_t *right)
{
    for (int signal = 1; signal < NSIG; signal++)
        if (sigismember(left, signal) != sigismember(right, signal))
            return 0;
    return 1;
}

static void check_actions(const process *before, const process *after)
{
    for (int signal = 1; signal < NSIG; signal++) {
        const struct sigaction *left = &before->actions[signal], *right = &after->actions[signal];
        CHECK(left->sa_handler == right->sa_handler && left->sa_flags == right->sa_flags);
        CHECK(same_signals(&left->sa_mask, &right->sa_mask));
    }
}

static void forget(process *p)
{
    for (int i = 0; p->environment[i]; i++)
        free(p->environment[i]);
}

static void process_is_left_alone(void)
{
    static process before, after;
    look_at(&before);
    use_library(1);
    use_library(3);
    look_at(&after);
    check_actions(&before, &after);
    CHECK(same_signals(&before.mask, &after.mask));
    CHECK(before.stack.ss_sp == after.stack.ss_sp && before.stack.ss_flags == after.stack.ss_flags);
    CHECK(strcmp(before.locale, after.locale) == 0 && strcmp(before.folder, after.folder) == 0);
    CHECK(before.umask == after.umask);
    for (int i = 0; before.environment[i] || after.environment[i]; i++)
        CHECK(before.environment[i] && after.environment[i]
              && strcmp(before.environment[i], after.environment[i]) == 0);
    forget(&before);
    forget(&after);
}

static volatile sig_atomic_t in_host_thread;
static pthread_t host_thread;

static void on_signal(int signal)
{
    (void)signal;
    in_host_thread = pthread_equal(pthread_self(), host_thread) ? 1 : -1;
}

// A signal to the process that the host's threads block waits for them: the library's threads take none.
static void signals_are_the_hosts(void)
{
    emucell_surrogate *surrogate = NULL;
    emucell_session *session = NULL;
    emucell_session_options options;
    CHECK_OK(emucell_session_options_init(&options));
    options.n_threads = 4;
    CHECK_OK(emucell_surrogate_load(step_map_path, &surrogate));
    CHECK_OK(emucell_session_create(surrogate, &options, &session));
    host_thread = pthread_self();
    struct sigaction action, before;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGUSR1, &action, &before);
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    kill(getpid(), SIGUSR1);
    usleep(20000);
    CHECK(in_host_thread == 0);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    CHECK(in_host_thread == 1);
    sigaction(SIGUSR1, &before, NULL);
    emucell_session_destroy(&session);
    emucell_surrogate_destroy(&surrogate);
}

// --- floating-point settings ------------------------------------------------------------------------

static void check_float_settings(const results *expected)
{
    for (uint32_t n_threads = 1; n_threads <= 2; n_threads++) {
        const int rounding = fegetround(), traps = fegetexcept(), flags = fetestexcept(FE_ALL_EXCEPT);
        results found = use_library(n_threads);
        const int rounding_after = fegetround(), traps_after = fegetexcept(), flags_after = fetestexcept(FE_ALL_EXCEPT);
        CHECK(rounding == rounding_after && traps == traps_after && flags == flags_after);
        CHECK(same(&found, expected));
    }
}

static void floating_point_settings(const results *expected)
{
    const int roundings[] = {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO, FE_TONEAREST};
    feclearexcept(FE_ALL_EXCEPT);
    for (size_t i = 0; i < N_ELEMENTS(roundings); i++) {
        CHECK(fesetround(roundings[i]) == 0);
        check_float_settings(expected);
    }
    feraiseexcept(FE_INEXACT | FE_UNDERFLOW);
    check_float_settings(expected);
    feclearexcept(FE_ALL_EXCEPT);
    CHECK(feenableexcept(FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW | FE_UNDERFLOW) != -1);
    check_float_settings(expected);
    fedisableexcept(FE_ALL_EXCEPT);
#ifdef __x86_64__
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);  // flush to zero, denormals are zero
    check_float_settings(expected);
    CHECK(_mm_getcsr() == (before | 0x8040));
    _mm_setcsr(before);
#endif
}

// --- threads with small stacks, and forks ---------------------------------------------------------------

static void *run_here(void *r)
{
    *(results *)r = use_library(1);
    return NULL;
}

static void small_stack(const results *expected)
{
    pthread_attr_t attributes;
    pthread_t thread;
    results found;
    pthread_attr_init(&attributes);
    CHECK(pthread_attr_setstacksize(&attributes, 64 * 1024) == 0);
    CHECK(pthread_create(&thread, &attributes, run_here, &found) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    pthread_attr_destroy(&attributes);
    CHECK(same(&found, expected));
}

// The child has the parent's sessions, but none of their threads.
static void fork_with_sessions(uint32_t n_threads, const results *expected)
{
    emucell_surrogate *step_map = NULL, *network = NULL;
    emucell_session *step_session = NULL, *evaluate_session = NULL;
    emucell_session_options options;
    CHECK_OK(emucell_session_options_init(&options));
    options.n_threads = n_threads;
    CHECK_OK(emucell_surrogate_load(step_map_path, &step_map));
    CHECK_OK(emucell_surrogate_load(network_path, &network));
    CHECK_OK(emucell_session_create(step_map, &options, &step_session));
    CHECK_OK(emucell_session_create(network, &options, &evaluate_session));
    for (int i = 0; i < 20; i++) {
        run(step_session, evaluate_session);
        const pid_t child = fork();
        if (child == 0) {
            alarm(20);
            results found = run(step_session, evaluate_session);
            CHECK(same(&found, expected));
            emucell_session_destroy(&step_session);
            emucell_session_destroy(&evaluate_session);
            emucell_surrogate_destroy(&step_map);
            emucell_surrogate_destroy(&network);
            found = use_library(2);
            CHECK(same(&found, expected));
            _exit(failures != 0);
        }
        int status = -1;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    results found = run(step_session, evaluate_session);
    CHECK(same(&found, expected));
    emucell_session_destroy(&step_session);
    emucell_session_destroy(&evaluate_session);
    emucell_surrogate_destroy(&step_map);
    emucell_surrogate_destroy(&network);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    step_map_path = argv[1];
    network_path = argv[2];
    make_inputs();
    process_is_left_alone();
    const results expected = use_library(1);
    CHECK(expected.status[3] & EMUCELL_CELL_NOT_FINITE);
    signals_are_the_hosts();
    floating_point_settings(&expected);
    small_stack(&expected);
    fork_with_sessions(1, &expected);
    fork_with_sessions(3, &expected);
    return failures != 0;
}
