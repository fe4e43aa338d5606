// Evaluates and steps surrogates whose results are known, and compares.
//
// Arguments: fhn_euler_coarse.onnx fhn_euler_threshold.onnx formula_network.onnx

#include "check.h"
#include "expected.h"

enum { N = 77 };  // two tiles and a half

static emucell_surrogate *load(const char *path)
{
    emucell_surrogate *surrogate = NULL;
    CHECK_OK(emucell_surrogate_load(path, &surrogate));
    if (!surrogate)
        exit(1);
    return surrogate;
}

static emucell_session *new_session(const emucell_surrogate *surrogate, uint32_t n_threads, uint32_t guard)
{
    emucell_session_options options;
    CHECK_OK(emucell_session_options_init(&options));
    options.n_threads = n_threads;
    options.guard = guard;
    emucell_session *session = NULL;
    CHECK_OK(emucell_session_create(surrogate, &options, &session));
    if (!session)
        exit(1);
    return session;
}

static void versions(void)
{
    CHECK(strcmp(emucell_version(), EMUCELL_VERSION) == 0);
    CHECK(emucell_abi_version() == EMUCELL_ABI_VERSION);
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", EMUCELL_VERSION_MAJOR, EMUCELL_VERSION_MINOR, EMUCELL_VERSION_PATCH);
    CHECK(strcmp(text, EMUCELL_VERSION) == 0);
}

static void check_variable(emucell_status status, const emucell_variable *v, const char *name, const char *unit,
                           uint32_t role, double low, double high)
{
    CHECK(status == EMUCELL_OK);
    CHECK(strcmp(v->name, name) == 0 && strcmp(v->unit, unit) == 0);
    CHECK(v->role == role && v->has_range == 1 && v->range_low == low && v->range_high == high);
}

static void description(const char *step_map_path, const char *solution_map_path)
{
    emucell_surrogate *step_map = load(step_map_path), *solution_map = load(solution_map_path);
    uint32_t kind = 0;
    double dt = -1;
    CHECK_OK(emucell_surrogate_kind(step_map, &kind, &dt));
    CHECK(kind == EMUCELL_STEP_MAP && dt == 0.1);
    CHECK_OK(emucell_surrogate_kind(solution_map, &kind, &dt));
    CHECK(kind == EMUCELL_SOLUTION_MAP && dt == 0.0);
    CHECK_OK(emucell_surrogate_kind(solution_map, NULL, NULL));

    CHECK(emucell_surrogate_n_inputs(step_map) == 3 && emucell_surrogate_n_outputs(step_map) == 2);
    emucell_variable v;
    check_variable(emucell_surrogate_input(step_map, 0, &v), &v, "u", "1", EMUCELL_STATE, -0.1, 1.0);
    check_variable(emucell_surrogate_input(step_map, 2, &v), &v, "s", "1", EMUCELL_STIMULUS, 0.0, 0.12);
    check_variable(emucell_surrogate_output(step_map, 1, &v), &v, "w", "1", EMUCELL_STATE, 0.0, 0.2);
    check_variable(emucell_surrogate_input(solution_map, 0, &v), &v, "t", "ms", EMUCELL_TIME, 0.0, 25.0);

    double state[2] = {-1, -1};
    CHECK_OK(emucell_surrogate_initial_state(step_map, state, 2));
    CHECK(state[0] == 0 && state[1] == 0);
    CHECK(strstr(emucell_surrogate_provenance(step_map), "forward Euler"));
    CHECK(strcmp(emucell_surrogate_provenance(solution_map), "{}") == 0);
    emucell_surrogate_destroy(&step_map);
    emucell_surrogate_destroy(&solution_map);
    CHECK(step_map == NULL && solution_map == NULL);
}

static void evaluate_formula_network(const char *path, uint32_t n_threads)
{
    emucell_surrogate *surrogate = load(path);
    emucell_session *session = new_session(surrogate, n_threads, EMUCELL_GUARD_IGNORE);
    // The session lives on without the handle that it was made from.
    emucell_surrogate_destroy(&surrogate);
    double inputs[3 * N], outputs[2 * N];
    for (int i = 0; i < N; i++) {
        inputs[3 * i] = 25.0 * i / N;
        inputs[3 * i + 1] = -0.1 + 0.9 * i / N;
        inputs[3 * i + 2] = 0.12 - 0.12 * i / N;
    }
    emucell_view in = emucell_view_of_structures(inputs, EMUCELL_F64, N, 3);
    emucell_view out = emucell_view_of_structures(outputs, EMUCELL_F64, N, 2);
    CHECK_OK(emucell_evaluate(session, N, &in, &out));
    for (int i = 0; i < N; i++) {
        double expected[2];
        formula_network(inputs + 3 * i, expected);
        CHECK_CLOSE(outputs[2 * i], expected[0], 2e-5);
        CHECK_CLOSE(outputs[2 * i + 1], expected[1], 2e-5);
    }
    emucell_session_destroy(&session);
    CHECK(session == NULL);
}

// n_steps in one call equal the same number of Euler steps.
static void step_fhn(const char *path, uint32_t n_threads)
{
    emucell_surrogate *surrogate = load(path);
    emucell_session *session = new_session(surrogate, n_threads, EMUCELL_GUARD_IGNORE);
    float u[N], w[N], state[2 * N], s[N];
    for (int i = 0; i < N; i++) {
        state[2 * i] = u[i] = (float)i / N;
        state[2 * i + 1] = w[i] = 0.002f * i;
        s[i] = i % 2 ? 0.12f : 0.0f;
    }
    uint8_t status[N];
    memset(status, 0xff, sizeof status);
    emucell_cells cells;
    CHECK_OK(emucell_cells_init(&cells));
    cells.n_cells = N;
    cells.state = emucell_view_of_structures(state, EMUCELL_F32, N, 2);
    cells.stimulus = emucell_view_of_structures(s, EMUCELL_F32, N, 1);
    cells.status = status;
    CHECK_OK(emucell_step(session, &cells, 0.1, 25));
    for (int i = 0; i < N; i++) {
        for (int k = 0; k < 25; k++)
            fhn_euler(&u[i], &w[i], s[i], FHN_THRESHOLD, 0.1f);
        CHECK_CLOSE(state[2 * i], u[i], 1e-5);
        CHECK_CLOSE(state[2 * i + 1], w[i], 1e-6);
        CHECK(!(status[i] & EMUCELL_CELL_NOT_FINITE));
    }
    // No step changes nothing.
    float before[2 * N];
    memcpy(before, state, sizeof before);
    CHECK_OK(emucell_step(session, &cells, 0.1, 0));
    CHECK(memcmp(before, state, sizeof before) == 0);
    emucell_session_destroy(&session);
    emucell_surrogate_destroy(&surrogate);
}

static void step_with_parameters(const char *path)
{
    emucell_surrogate *surrogate = load(path);
    emucell_session *session = new_session(surrogate, 1, EMUCELL_GUARD_IGNORE);
    double state[2 * N], thresholds[N];
    for (int i = 0; i < N; i++) {
        state[2 * i] = 0.3;
        state[2 * i + 1] = 0.0;
        thresholds[i] = 0.1 + 0.4 * i / N;
    }
    const double no_stimulus = 0;
    emucell_cells cells;
    CHECK_OK(emucell_cells_init(&cells));
    cells.n_cells = N;
    cells.state = emucell_view_of_structures(state, EMUCELL_F64, N, 2);
    cells.stimulus = emucell_view_of_structures((void *)&no_stimulus, EMUCELL_F64, 1, 1);
    cells.stimulus.cell_stride = 0;
    cells.parameters = emucell_view_of_structures(thresholds, EMUCELL_F64, N, 1);
    CHECK_OK(emucell_step(session, &cells, 0.1, 5));
    for (int i = 0; i < N; i++) {
        float u = 0.3f, w = 0;
        for (int k = 0; k < 5; k++)
            fhn_euler(&u, &w, 0, (float)thresholds[i], 0.1f);
        CHECK_CLOSE(state[2 * i], u, 1e-6);
        CHECK_CLOSE(state[2 * i + 1], w, 1e-6);
    }
    emucell_session_destroy(&session);
    emucell_surrogate_destroy(&surrogate);
}

// A cell that is NaN stays NaN, tells so, and disturbs no other; one outside the domain tells so,
// and is moved to its border by the guard that clamps.
static void cells_that_are_not_well(const char *path, uint32_t guard)
{
    emucell_surrogate *surrogate = load(path);
    emucell_session *session = new_session(surrogate, 1, guard);
    float state[2 * N], s = 0;
    for (int i = 0; i < 2 * N; i++)
        state[i] = i % 2 ? 0.05f : 0.5f;
    state[2 * 3] = NAN;
    state[2 * 40 + 1] = INFINITY;
    state[2 * 70] = 1.5f;
    uint8_t status[N];
    memset(status, 0xff, sizeof status);
    emucell_cells cells;
    CHECK_OK(emucell_cells_init(&cells));
    cells.n_cells = N;
    cells.state = emucell_view_of_structures(state, EMUCELL_F32, N, 2);
    cells.stimulus = emucell_view_of_structures(&s, EMUCELL_F32, 1, 1);
    cells.stimulus.cell_stride = 0;
    cells.status = status;
    CHECK_OK(emucell_step(session, &cells, 0.1, 2));
    for (int i = 0; i < N; i++) {
        float u = 0.5f, w = 0.05f;
        int outside = i == 3 || i == 40 || i == 70;
        CHECK(((status[i] & EMUCELL_CELL_OUTSIDE_DOMAIN) != 0) == outside);
        CHECK(((status[i] & EMUCELL_CELL_NOT_FINITE) != 0)
              == (i == 3 || (i == 40 && guard == EMUCELL_GUARD_IGNORE)));
        if (outside)
            continue;
        fhn_euler(&u, &w, s, FHN_THRESHOLD, 0.1f);
        fhn_euler(&u, &w, s, FHN_THRESHOLD, 0.1f);
        CHECK_CLOSE(state[2 * i], u, 1e-6);
        CHECK_CLOSE(state[2 * i + 1], w, 1e-6);
    }
    CHECK(isnan(state[2 * 3]));
    float u = guard == EMUCELL_GUARD_CLAMP ? 1.0f : 1.5f, w = 0.05f;
    fhn_euler(&u, &w, s, FHN_THRESHOLD, 0.1f);
    if (guard == EMUCELL_GUARD_CLAMP)
        u = fminf(fmaxf(u, -0.1f), 1.0f);
    fhn_euler(&u, &w, s, FHN_THRESHOLD, 0.1f);
    CHECK_CLOSE(state[2 * 70], u, 1e-5);
    emucell_session_destroy(&session);
    emucell_surrogate_destroy(&surrogate);
}

static void evaluate_with_nan(const char *path)
{
    emucell_surrogate *surrogate = load(path);
    emucell_session *session = new_session(surrogate, 1, EMUCELL_GUARD_IGNORE);
    double inputs[3 * 4] = {1, 0.1, 0.1, 1, NAN, 0.1, 1, 0.1, 0.1, 1, 0.1, 0.1}, outputs[2 * 4], expected[2];
    emucell_view in = emucell_view_of_structures(inputs, EMUCELL_F64, 4, 3);
    emucell_view out = emucell_view_of_structures(outputs, EMUCELL_F64, 4, 2);
    CHECK_OK(emucell_evaluate(session, 4, &in, &out));
    formula_network(inputs, expected);
    for (int i = 0; i < 4; i++) {
        if (i == 1)
            CHECK(isnan(outputs[2]) && isnan(outputs[3]));
        else
            CHECK_CLOSE(outputs[2 * i], expected[0], 1e-5);
    }
    emucell_session_destroy(&session);
    emucell_surrogate_destroy(&surrogate);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    const char *coarse = argv[1], *threshold = argv[2], *network = argv[3];
    versions();
    description(coarse, network);
    for (uint32_t n_threads = 1; n_threads <= 3; n_threads++) {
        evaluate_formula_network(network, n_threads);
        step_fhn(coarse, n_threads);
    }
    step_with_parameters(threshold);
    cells_that_are_not_well(coarse, EMUCELL_GUARD_IGNORE);
    cells_that_are_not_well(coarse, EMUCELL_GUARD_CLAMP);
    evaluate_with_nan(network);
    return failures != 0;
}
