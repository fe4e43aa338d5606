// Cells outside the domain: ignored, counted, clamped, flagged, computed by the caller's function
// or by the surrogate's own cell model; counters, the log, and views side by side.
//
// Arguments: fhn_euler_coarse.onnx fhn_euler_threshold.onnx formula_network.onnx

#include "check.h"
#include "expected.h"

// More cells than a tile; every seventh is outside the domain, u = 1.2 where 1 is the largest.
enum { N = 100, SPACING = 7 };

static double u[N], w[N], s[1] = {0.05};
static uint8_t status[N];

static int is_outside(int cell)
{
    return cell % SPACING == 3;
}

static double u_initial(int cell)
{
    return is_outside(cell) ? 1.2 : 0.009 * cell;
}

static double w_initial(int cell)
{
    return 0.001 * cell;
}

// u and w in two separate arrays, one stimulus for all, status bytes.
static emucell_cells cells_in_parts(emucell_view parts[2])
{
    for (int i = 0; i < N; i++) {
        u[i] = u_initial(i);
        w[i] = w_initial(i);
        status[i] = 0xaa;
    }
    parts[0] = emucell_view_of_structures(u, EMUCELL_F64, N, 1);
    parts[1] = emucell_view_of_structures(w, EMUCELL_F64, N, 1);
    emucell_cells cells;
    CHECK_OK(emucell_cells_init(&cells));
    cells.n_cells = N;
    cells.state_parts = parts;
    cells.n_state_parts = 2;
    cells.stimulus = emucell_view_of_structures(s, EMUCELL_F64, 1, 1);
    cells.stimulus.cell_stride = 0;
    cells.status = status;
    return cells;
}

static emucell_session *new_session(const emucell_surrogate *surrogate, uint32_t guard, uint32_t n_threads,
                                    emucell_fallback fallback, void *data)
{
    emucell_session_options options;
    CHECK_OK(emucell_session_options_init(&options));
    options.guard = guard;
    options.n_threads = n_threads;
    options.capacity = N;
    options.fallback = fallback;
    options.fallback_data = data;
    emucell_session *session = NULL;
    CHECK_OK(emucell_session_create(surrogate, &options, &session));
    if (!session)
        exit(1);
    return session;
}

static emucell_counters counters_of(emucell_session *session)
{
    emucell_counters counters;
    CHECK_OK(emucell_counters_init(&counters));
    CHECK_OK(emucell_session_counters(session, &counters));
    return counters;
}

// n_steps of the solver of dt ms in double precision.
static void solve(double *u_cell, double *w_cell, double stimulus, double dt, int n_steps)
{
    for (int i = 0; i < n_steps; i++) {
        double du = 10 * (*u_cell * (*u_cell - 0.4) * (1 - *u_cell) - *w_cell + stimulus);
        double dw = 0.04 * *u_cell - 0.16 * *w_cell;
        *u_cell += dt * du;
        *w_cell += dt * dw;
    }
}

// Cells inside are the surrogate's, with any guard.
static void check_inside(int n_steps)
{
    for (int i = 0; i < N; i++) {
        float u_cell = (float)u_initial(i), w_cell = (float)w_initial(i);
        for (int step = 0; step < n_steps; step++)
            fhn_euler(&u_cell, &w_cell, 0.05f, FHN_THRESHOLD, 0.1f);
        if (!is_outside(i)) {
            CHECK_CLOSE(u[i], u_cell, 1e-6);
            CHECK_CLOSE(w[i], w_cell, 1e-6);
            CHECK(status[i] == 0);
        }
    }
}

static void guards_without_fallback(const emucell_surrogate *surrogate)
{
    static const uint32_t guards[] = {EMUCELL_GUARD_IGNORE, EMUCELL_GUARD_CLAMP, EMUCELL_GUARD_COUNT,
                                      EMUCELL_GUARD_FLAG};
    for (size_t g = 0; g < N_ELEMENTS(guards); g++) {
        emucell_session *session = new_session(surrogate, guards[g], 1, NULL, NULL);
        emucell_view parts[2];
        emucell_cells cells = cells_in_parts(parts);
        CHECK_OK(emucell_step(session, &cells, 0.1, 1));
        check_inside(1);
        uint64_t n_outside = 0;
        for (int i = 0; i < N; i++)
            if (is_outside(i)) {
                n_outside++;
                CHECK(status[i] == EMUCELL_CELL_OUTSIDE_DOMAIN);
                float u_cell = guards[g] == EMUCELL_GUARD_CLAMP ? 1.0f : 1.2f, w_cell = (float)w_initial(i);
                fhn_euler(&u_cell, &w_cell, 0.05f, FHN_THRESHOLD, 0.1f);
                CHECK_CLOSE(u[i], u_cell, 1e-6);
            }
        emucell_counters counters = counters_of(session);
        CHECK(counters.n_calls == 1 && counters.n_cell_steps == N && counters.n_fallback == 0);
        CHECK(counters.n_outside_domain == n_outside && counters.n_not_finite == 0);

        // Without status bytes nobody looks, or the guard does, or it insists on them.
        cells = cells_in_parts(parts);
        cells.status = NULL;
        if (guards[g] == EMUCELL_GUARD_FLAG) {
            CHECK_FAILS(emucell_step(session, &cells, 0.1, 1), EMUCELL_INVALID_ARGUMENT, "no status bytes");
            CHECK(u[3] == 1.2);
        } else {
            u[5] = NAN;
            CHECK_OK(emucell_step(session, &cells, 0.1, 1));
            counters = counters_of(session);
            const uint64_t looks = guards[g] != EMUCELL_GUARD_IGNORE;
            CHECK(counters.n_outside_domain == n_outside + looks * (n_outside + 1));
            CHECK(counters.n_not_finite == looks && counters.n_cell_steps == 2 * N);
        }
        CHECK_OK(emucell_session_reset_counters(session));
        counters = counters_of(session);
        CHECK(counters.n_calls == 0 && counters.n_cell_steps == 0 && counters.n_outside_domain == 0);
        emucell_session_destroy(&session);
    }
}

// The cell model of the file solves cells outside, ten steps of 0.01 ms for one of the surrogate.
static void own_cell_model(const emucell_surrogate *surrogate, uint32_t n_threads)
{
    emucell_session *session = new_session(surrogate, EMUCELL_GUARD_FALLBACK, n_threads, NULL, NULL);
    emucell_view parts[2];
    emucell_cells cells = cells_in_parts(parts);
    CHECK_OK(emucell_step(session, &cells, 0.1, 1));
    check_inside(1);
    uint64_t n_outside = 0;
    for (int i = 0; i < N; i++)
        if (is_outside(i)) {
            n_outside++;
            double u_cell = 1.2, w_cell = w_initial(i);
            solve(&u_cell, &w_cell, 0.05, 0.01, 10);
            CHECK_CLOSE(u[i], u_cell, 1e-12);
            CHECK_CLOSE(w[i], w_cell, 1e-12);
            CHECK(status[i] == (EMUCELL_CELL_OUTSIDE_DOMAIN | EMUCELL_CELL_FALLBACK));
        }
    emucell_counters counters = counters_of(session);
    CHECK(counters.n_fallback == n_outside && counters.n_outside_domain == n_outside);

    // Several steps are as many calls of one step, and a status byte tells of all of them.
    double u_apart[N];
    cells = cells_in_parts(parts);
    for (int step = 0; step < 12; step++)
        CHECK_OK(emucell_step(session, &cells, 0.1, 1));
    memcpy(u_apart, u, sizeof u);
    cells = cells_in_parts(parts);
    CHECK_OK(emucell_step(session, &cells, 0.1, 12));
    CHECK(memcmp(u_apart, u, sizeof u) == 0);
    CHECK(status[3] & EMUCELL_CELL_FALLBACK);
    CHECK(u[3] > 0 && u[3] <= 1.1);
    emucell_session_destroy(&session);
}

// What the caller's own function was asked to do.
typedef struct record {
    int n_calls, result;
    size_t n_cells;
    emucell_session *session;
} record;

static int32_t callers_solver(void *data, const emucell_fallback_call *call)
{
    record *seen = data;
    seen->n_calls++;
    seen->n_cells += call->n_cells;
    CHECK(call->struct_size == sizeof *call && call->cells && !call->evaluation && call->dt == 0.1);
    emucell_counters counters;
    CHECK_OK(emucell_counters_init(&counters));
    CHECK_FAILS(emucell_session_counters(seen->session, &counters), EMUCELL_BUSY, "session");
    if (seen->result)
        return seen->result;
    const emucell_view *parts = call->cells->state_parts;
    for (size_t i = 0; i < call->n_cells; i++) {
        CHECK(call->cells->index[call->positions[i]] == call->rows[i]);
        // A mark instead of a solution: u counts the calls, w is left alone.
        ((double *)parts[0].data)[call->rows[i]] = 100 + seen->n_calls;
    }
    return 0;
}

static void callers_function(const emucell_surrogate *surrogate)
{
    record seen = {0, 0, 0, NULL};
    seen.session = new_session(surrogate, EMUCELL_GUARD_FALLBACK, 2, callers_solver, &seen);
    emucell_view parts[2];
    emucell_cells cells = cells_in_parts(parts);
    // Every other row, backwards.
    uint32_t rows[N / 2];
    for (uint32_t i = 0; i < N / 2; i++)
        rows[i] = N - 1 - 2 * i;
    cells.index = rows;
    cells.n_cells = N / 2;
    cells.n_rows = N;
    CHECK_OK(emucell_step(seen.session, &cells, 0.1, 3));
    CHECK(seen.n_calls == 3);
    for (int i = 0; i < N; i++) {
        const int was_asked = i % 2 == 1, outside = was_asked && is_outside(i);
        CHECK((u[i] == u_initial(i)) == !was_asked || u_initial(i) == 0);
        CHECK((u[i] == 103) == outside);
        CHECK((w[i] == w_initial(i)) == (outside || !was_asked) || i == 0);
    }
    CHECK(counters_of(seen.session).n_fallback == seen.n_cells);

    seen.result = 7;
    cells = cells_in_parts(parts);
    CHECK_FAILS(emucell_step(seen.session, &cells, 0.1, 3), EMUCELL_CALLBACK, "the fallback returned 7");
    CHECK(u[3] == 1.2);
    seen.result = 0;
    emucell_session_destroy(&seen.session);
}

static int32_t fill_with_mark(void *data, const emucell_fallback_call *call)
{
    (void)data;
    CHECK(!call->cells && call->evaluation && call->evaluation->n_outputs == 2);
    for (size_t i = 0; i < call->n_cells; i++)
        ((float *)call->evaluation->outputs[1].data)[call->positions[i]] = 42;
    return 0;
}

// Time is one number for all cells, states lie apart, outputs in two arrays of two types.
static void evaluation_in_parts(const emucell_surrogate *surrogate)
{
    emucell_session *plain = new_session(surrogate, EMUCELL_GUARD_IGNORE, 1, NULL, NULL);
    emucell_session *guarded = new_session(surrogate, EMUCELL_GUARD_FALLBACK, 1, fill_with_mark, NULL);
    double time = 12.5, first[N];
    float second[N];
    emucell_view parts[2];
    cells_in_parts(parts);
    for (int i = 0; i < N; i++)
        u[i] = is_outside(i) ? 3 : 0.005 * i;
    emucell_view inputs[3] = {emucell_view_of_structures(&time, EMUCELL_F64, 1, 1), parts[0], parts[1]};
    inputs[0].cell_stride = 0;
    emucell_view outputs[2] = {emucell_view_of_structures(first, EMUCELL_F64, N, 1),
                               emucell_view_of_structures(second, EMUCELL_F32, N, 1)};
    emucell_evaluation evaluation;
    CHECK_OK(emucell_evaluation_init(&evaluation));
    evaluation.n_cells = N;
    evaluation.inputs = inputs;
    evaluation.n_inputs = 3;
    evaluation.outputs = outputs;
    evaluation.n_outputs = 2;
    evaluation.status = status;
    CHECK_OK(emucell_evaluate_parts(plain, &evaluation));

    double together[N][3], expected[N][2];
    for (int i = 0; i < N; i++) {
        together[i][0] = time;
        together[i][1] = u[i];
        together[i][2] = w[i];
    }
    emucell_view in = emucell_view_of_structures(together, EMUCELL_F64, N, 3);
    emucell_view out = emucell_view_of_structures(expected, EMUCELL_F64, N, 2);
    CHECK_OK(emucell_evaluate(plain, N, &in, &out));
    for (int i = 0; i < N; i++) {
        CHECK(first[i] == expected[i][0] && second[i] == (float)expected[i][1]);
        CHECK((status[i] == EMUCELL_CELL_OUTSIDE_DOMAIN) == (is_outside(i) || w[i] > 0.12 || u[i] > 0.81));
    }

    memset(first, 0, sizeof first);
    CHECK_OK(emucell_evaluate_parts(guarded, &evaluation));
    for (int i = 0; i < N; i++) {
        const int outside = status[i] & EMUCELL_CELL_FALLBACK;
        CHECK(first[i] == (outside ? 0 : expected[i][0]));
        CHECK(second[i] == (outside ? 42 : (float)expected[i][1]));
    }
    evaluation.n_inputs = 2;
    CHECK_FAILS(emucell_evaluate_parts(plain, &evaluation), EMUCELL_INVALID_ARGUMENT, "inputs of 2 variables");
    evaluation.n_inputs = 4;
    CHECK_FAILS(emucell_evaluate_parts(plain, &evaluation), EMUCELL_INVALID_ARGUMENT, "4 views");
    emucell_session_destroy(&plain);
    emucell_session_destroy(&guarded);
}

// Parameters from two places cannot be shown with one parameter, but in parts they can be given.
static void parameters_in_parts(const emucell_surrogate *surrogate)
{
    emucell_session *session = new_session(surrogate, EMUCELL_GUARD_IGNORE, 1, NULL, NULL);
    emucell_view parts[2];
    emucell_cells cells = cells_in_parts(parts);
    double threshold = 0.3;
    emucell_view parameter = emucell_view_of_structures(&threshold, EMUCELL_F64, 1, 1);
    parameter.cell_stride = 0;
    cells.parameter_parts = &parameter;
    cells.n_parameter_parts = 1;
    CHECK_OK(emucell_step(session, &cells, 0.1, 1));
    float u_cell = (float)u_initial(50), w_cell = (float)w_initial(50);
    fhn_euler(&u_cell, &w_cell, 0.05f, 0.3f, 0.1f);
    CHECK_CLOSE(u[50], u_cell, 1e-6);
    cells.parameters = parameter;
    CHECK_FAILS(emucell_step(session, &cells, 0.1, 1), EMUCELL_INVALID_ARGUMENT, "both parameters");
    emucell_session_destroy(&session);
}

typedef struct messages {
    int n;
    uint32_t last_level;
    char last[256];
} messages;

static void keep(void *data, uint32_t level, const char *message)
{
    messages *kept = data;
    kept->n++;
    kept->last_level = level;
    snprintf(kept->last, sizeof kept->last, "%s", message);
}

static void log_messages(const emucell_surrogate *surrogate)
{
    messages kept = {0, 0, ""};
    CHECK_OK(emucell_set_log(keep, &kept, EMUCELL_LOG_INFO));
    emucell_session *session = new_session(surrogate, EMUCELL_GUARD_COUNT, 1, NULL, NULL);
    CHECK(kept.n == 1 && kept.last_level == EMUCELL_LOG_INFO && strstr(kept.last, "cpu"));
    CHECK(strstr(kept.last, emucell_session_name(session)));
    CHECK_OK(emucell_set_log(keep, &kept, EMUCELL_LOG_WARN));
    emucell_view parts[2];
    emucell_cells cells = cells_in_parts(parts);
    CHECK_OK(emucell_step(session, &cells, 0.1, 1));
    CHECK(kept.n == 2 && kept.last_level == EMUCELL_LOG_WARN && strstr(kept.last, "outside"));
    // Once a session: a log is no place for every step.
    cells = cells_in_parts(parts);
    CHECK_OK(emucell_step(session, &cells, 0.1, 1));
    CHECK(kept.n == 2);
    CHECK_FAILS(emucell_set_log(keep, &kept, 9), EMUCELL_INVALID_ARGUMENT, "log level 9");
    CHECK_OK(emucell_set_log(NULL, NULL, EMUCELL_LOG_DEBUG));
    emucell_session_destroy(&session);
    session = new_session(surrogate, EMUCELL_GUARD_COUNT, 1, NULL, NULL);
    CHECK_OK(emucell_session_synchronize(session));
    emucell_session_destroy(&session);
    CHECK(kept.n == 2);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    emucell_surrogate *coarse = NULL, *threshold = NULL, *network = NULL;
    CHECK_OK(emucell_surrogate_load(argv[1], &coarse));
    CHECK_OK(emucell_surrogate_load(argv[2], &threshold));
    CHECK_OK(emucell_surrogate_load(argv[3], &network));
    if (!coarse || !threshold || !network)
        return 1;
    CHECK(strcmp(emucell_surrogate_cell_model(coarse), "fhn_cubic") == 0);
    CHECK(emucell_surrogate_cell_model(network) == NULL && emucell_surrogate_cell_model(NULL) == NULL);
    CHECK(emucell_session_name(NULL) == NULL);

    guards_without_fallback(coarse);
    own_cell_model(coarse, 1);
    own_cell_model(coarse, 3);
    callers_function(coarse);
    evaluation_in_parts(network);
    parameters_in_parts(threshold);
    log_messages(coarse);

    emucell_surrogate_destroy(&coarse);
    emucell_surrogate_destroy(&threshold);
    emucell_surrogate_destroy(&network);
    return failures != 0;
}
