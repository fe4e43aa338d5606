// evaluate and step allocate nothing: this program's malloc counts for the library, too.
//
// Arguments: fhn_euler_coarse.onnx formula_network.onnx

#include "check.h"
#include "counting_malloc.h"

enum { N = 333, N_CALLS = 1000 };

static void check_session(const char *step_map, const char *solution_map, uint32_t n_threads, uint32_t guard)
{
    emucell_surrogate *stepped = NULL, *evaluated = NULL;
    emucell_session *step_session = NULL, *evaluate_session = NULL;
    emucell_session_options options;
    CHECK_OK(emucell_session_options_init(&options));
    options.n_threads = n_threads;
    options.guard = guard;
    options.capacity = N;
    const long before_loading = n_allocations();
    CHECK_OK(emucell_surrogate_load(step_map, &stepped));
    CHECK_OK(emucell_surrogate_load(solution_map, &evaluated));
    CHECK_OK(emucell_session_create(stepped, &options, &step_session));
    // Only the first one has a cell model to fall back to.
    if (guard == EMUCELL_GUARD_FALLBACK)
        options.guard = EMUCELL_GUARD_COUNT;
    CHECK_OK(emucell_session_create(evaluated, &options, &evaluate_session));
    // Otherwise nothing was counted at all.
    CHECK(n_allocations() > before_loading + 10);
    if (!step_session || !evaluate_session)
        exit(1);

    static double state[2 * N], stimulus[N], inputs[3 * N], outputs[2 * N];
    static uint32_t index[N];
    static uint8_t status[N];
    for (uint32_t i = 0; i < N; i++)
        index[i] = N - 1 - i;
    // Some cells outside the domain, so that guards have something to do.
    for (int i = 0; i < 2 * N; i += 7)
        state[i] = 2;
    emucell_cells cells;
    CHECK_OK(emucell_cells_init(&cells));
    cells.n_cells = cells.n_rows = N;
    cells.state = emucell_view_of_arrays(state, EMUCELL_F64, N, 2, N);
    cells.stimulus = emucell_view_of_structures(stimulus, EMUCELL_F64, N, 1);
    cells.index = index;
    cells.status = status;
    const emucell_view in = emucell_view_of_structures(inputs, EMUCELL_F64, N, 3);
    const emucell_view out = emucell_view_of_structures(outputs, EMUCELL_F64, N, 2);
    emucell_evaluation evaluation;
    CHECK_OK(emucell_evaluation_init(&evaluation));
    evaluation.n_cells = N;
    evaluation.inputs = &in;
    evaluation.outputs = &out;
    evaluation.n_inputs = evaluation.n_outputs = 1;
    evaluation.status = status;

    // Times of the same cells, more than are computed at once.
    static double times[40], at_times[2 * 40 * N];
    const emucell_view of_cells = emucell_view_of_structures(inputs, EMUCELL_F64, N, 2);
    const emucell_view of_times = emucell_view_of_structures(at_times, EMUCELL_F64, N, 2 * 40);

    const long before = n_allocations();
    for (int call = 0; call < N_CALLS; call++) {
        CHECK_OK(emucell_step(step_session, &cells, 0.1, 2));
        CHECK_OK(emucell_evaluate_parts(evaluate_session, &evaluation));
        if (guard != EMUCELL_GUARD_FLAG)
            CHECK_OK(emucell_evaluate(evaluate_session, N, &in, &out));
        if (guard != EMUCELL_GUARD_FLAG && call % 50 == 0)
            CHECK_OK(emucell_evaluate_times(evaluate_session, N, &of_cells, times, 40, &of_times));
    }
    CHECK_CLOSE(n_allocations() - before, 0, 0);
    emucell_session_destroy(&step_session);
    emucell_session_destroy(&evaluate_session);
    emucell_surrogate_destroy(&stepped);
    emucell_surrogate_destroy(&evaluated);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    const uint32_t guards[] = {EMUCELL_GUARD_IGNORE, EMUCELL_GUARD_CLAMP, EMUCELL_GUARD_COUNT, EMUCELL_GUARD_FLAG,
                               EMUCELL_GUARD_FALLBACK};
    for (uint32_t n_threads = 1; n_threads <= 2; n_threads++)
        for (size_t i = 0; i < N_ELEMENTS(guards); i++)
            check_session(argv[1], argv[2], n_threads, guards[i]);
    return failures != 0;
}
