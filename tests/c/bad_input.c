// Everything that a caller can get wrong: the status, a message that says so, and outputs as they
// were.
//
// Arguments: fhn_euler_coarse.onnx fhn_euler_threshold.onnx formula_network.onnx

#include "check.h"

enum { N = 5 };

static emucell_surrogate *coarse, *threshold, *network;
static emucell_session *coarse_session, *threshold_session, *network_session;

static float state[2 * N], stimulus[N], parameters[N];
static uint8_t status[N];

// Cells that nothing is wrong with.
static emucell_cells good_cells(void)
{
    for (int i = 0; i < N; i++) {
        state[2 * i] = 0.1f * i;
        state[2 * i + 1] = 0.01f;
        stimulus[i] = 0;
        parameters[i] = 0.4f;
        status[i] = 0xaa;
    }
    emucell_cells cells;
    CHECK_OK(emucell_cells_init(&cells));
    cells.n_cells = N;
    cells.state = emucell_view_of_structures(state, EMUCELL_F32, N, 2);
    cells.stimulus = emucell_view_of_structures(stimulus, EMUCELL_F32, N, 1);
    cells.status = status;
    return cells;
}

static void check_untouched(void)
{
    for (int i = 0; i < N; i++)
        CHECK(state[2 * i] == 0.1f * i && state[2 * i + 1] == 0.01f && status[i] == 0xaa);
}

#define CHECK_STEP_FAILS(session, cells, dt, expected, text)              \
    do {                                                                  \
        CHECK_FAILS(emucell_step(session, &(cells), dt, 1), expected, text); \
        check_untouched();                                                \
    } while (0)

static void load_fails(void)
{
    emucell_surrogate *surrogate = coarse;  // any value that is not NULL
    CHECK_FAILS(emucell_surrogate_load("no/such/file.onnx", &surrogate), EMUCELL_IO, "no/such/file.onnx");
    CHECK(surrogate == NULL);
    surrogate = coarse;
    CHECK_FAILS(emucell_surrogate_load(NULL, &surrogate), EMUCELL_INVALID_ARGUMENT, "path is NULL");
    CHECK(surrogate == NULL);
    CHECK_FAILS(emucell_surrogate_load("file.onnx", NULL), EMUCELL_INVALID_ARGUMENT, "out is NULL");
    surrogate = coarse;
    CHECK_FAILS(emucell_surrogate_load("not \xff UTF-8", &surrogate), EMUCELL_INVALID_ARGUMENT, "UTF-8");
    CHECK(surrogate == NULL);
    surrogate = coarse;
    CHECK(emucell_surrogate_load("/", &surrogate) != EMUCELL_OK && surrogate == NULL);
    surrogate = coarse;
    CHECK_FAILS(emucell_surrogate_load_memory(NULL, 3, &surrogate), EMUCELL_INVALID_ARGUMENT, "bytes is NULL");
    CHECK(surrogate == NULL);
    CHECK_FAILS(emucell_surrogate_load_memory((const uint8_t *)"", 0, &surrogate), EMUCELL_FORMAT, "");
    CHECK_FAILS(emucell_surrogate_load_memory((const uint8_t *)"text", 4, &surrogate), EMUCELL_FORMAT, "");
}

static void description_fails(void)
{
    uint32_t kind = 77;
    double dt = 77, numbers[3] = {77, 77, 77};
    CHECK_FAILS(emucell_surrogate_kind(NULL, &kind, &dt), EMUCELL_INVALID_ARGUMENT, "surrogate is NULL");
    CHECK(kind == 77 && dt == 77);
    CHECK(emucell_surrogate_n_inputs(NULL) == 0 && emucell_surrogate_n_outputs(NULL) == 0);
    CHECK(emucell_surrogate_provenance(NULL) == NULL);

    emucell_variable v;
    memset(&v, 0x55, sizeof v);
    emucell_variable before = v;
    CHECK_FAILS(emucell_surrogate_input(NULL, 0, &v), EMUCELL_INVALID_ARGUMENT, "surrogate is NULL");
    CHECK_FAILS(emucell_surrogate_input(coarse, 3, &v), EMUCELL_INVALID_ARGUMENT, "variable 3 of 3");
    CHECK_FAILS(emucell_surrogate_output(coarse, SIZE_MAX, &v), EMUCELL_INVALID_ARGUMENT, "of 2");
    CHECK(memcmp(&v, &before, sizeof v) == 0);
    CHECK_FAILS(emucell_surrogate_input(coarse, 0, NULL), EMUCELL_INVALID_ARGUMENT, "out is NULL");
    CHECK_FAILS(emucell_surrogate_output(coarse, 0, NULL), EMUCELL_INVALID_ARGUMENT, "out is NULL");

    CHECK_FAILS(emucell_surrogate_initial_state(coarse, numbers, 3), EMUCELL_INVALID_ARGUMENT, "3 numbers for 2");
    CHECK_FAILS(emucell_surrogate_initial_state(coarse, NULL, 2), EMUCELL_INVALID_ARGUMENT, "state is NULL");
    CHECK_FAILS(emucell_surrogate_initial_state(NULL, numbers, 2), EMUCELL_INVALID_ARGUMENT, "surrogate is NULL");
    CHECK_FAILS(emucell_surrogate_initial_state(network, numbers, 2), EMUCELL_UNSUPPORTED, "initial state");
    CHECK(numbers[0] == 77 && numbers[1] == 77 && numbers[2] == 77);

    CHECK(strcmp(emucell_status_name(EMUCELL_IO), "EMUCELL_IO") == 0);
    CHECK(strcmp(emucell_status_name(-1), "unknown status") == 0);
    CHECK(strcmp(emucell_status_text(1000), "unknown status") == 0);
    for (int32_t s = EMUCELL_OK; s <= EMUCELL_INTERRUPTED; s++)
        CHECK(strncmp(emucell_status_name(s), "EMUCELL_", 8) == 0 && strlen(emucell_status_text(s)) > 3);
}

static void session_fails(void)
{
    emucell_session_options options;
    CHECK_FAILS(emucell_session_options_init(NULL), EMUCELL_INVALID_ARGUMENT, "options is NULL");
    emucell_session *session = coarse_session;
    CHECK_FAILS(emucell_session_create(NULL, NULL, &session), EMUCELL_INVALID_ARGUMENT, "surrogate is NULL");
    CHECK(session == NULL);
    CHECK_FAILS(emucell_session_create(coarse, NULL, NULL), EMUCELL_INVALID_ARGUMENT, "out is NULL");

#define CHECK_OPTION_FAILS(assignment, expected, text)                                     \
    do {                                                                                   \
        CHECK_OK(emucell_session_options_init(&options));                                  \
        options.assignment;                                                                \
        session = coarse_session;                                                          \
        CHECK_FAILS(emucell_session_create(coarse, &options, &session), expected, text);   \
        CHECK(session == NULL);                                                            \
    } while (0)

    CHECK_OPTION_FAILS(struct_size = 0, EMUCELL_INVALID_ARGUMENT, "struct_size of 0 bytes");
    CHECK_OPTION_FAILS(struct_size = 20, EMUCELL_INVALID_ARGUMENT, "emucell_session_options_init");
    CHECK_OPTION_FAILS(reserved = 1, EMUCELL_INVALID_ARGUMENT, "reserved");
    CHECK_OPTION_FAILS(guard = 5, EMUCELL_INVALID_ARGUMENT, "guard 5");
    CHECK_OPTION_FAILS(n_threads = 0, EMUCELL_INVALID_ARGUMENT, "0 threads");
    CHECK_OPTION_FAILS(n_threads = UINT32_MAX, EMUCELL_INVALID_ARGUMENT, "threads");
    CHECK_OPTION_FAILS(instruction_set = "abacus", EMUCELL_UNSUPPORTED, "abacus");

    // What was never made can be destroyed.
    emucell_session_destroy(NULL);
    emucell_session_destroy(&session);
    emucell_surrogate_destroy(NULL);
    emucell_surrogate *nothing = NULL;
    emucell_surrogate_destroy(&nothing);
}

static void step_fails(void)
{
    emucell_cells cells = good_cells();
    CHECK_STEP_FAILS(NULL, cells, 0.1, EMUCELL_INVALID_ARGUMENT, "session is NULL");
    CHECK_FAILS(emucell_step(coarse_session, NULL, 0.1, 1), EMUCELL_INVALID_ARGUMENT, "cells is NULL");
    CHECK_FAILS(emucell_cells_init(NULL), EMUCELL_INVALID_ARGUMENT, "cells is NULL");

    const double wrong_steps[] = {0, -0.1, 0.2, 0.1001, NAN, INFINITY};
    for (size_t i = 0; i < N_ELEMENTS(wrong_steps); i++)
        CHECK_STEP_FAILS(coarse_session, cells, wrong_steps[i], EMUCELL_WRONG_STEP, "trained for 0.1");
    // This solution map's outputs are its states, so it can step; but not by these.
    const double impossible_steps[] = {-0.1, NAN, INFINITY};
    cells.stimulus.data = NULL;
    for (size_t i = 0; i < N_ELEMENTS(impossible_steps); i++)
        CHECK_STEP_FAILS(network_session, cells, impossible_steps[i], EMUCELL_WRONG_STEP, "step");
    CHECK_OK(emucell_step(network_session, &cells, 7.5, 1));

#define CHECK_CELLS_FAIL(assignment, expected, text)                       \
    do {                                                                   \
        cells = good_cells();                                              \
        cells.assignment;                                                  \
        CHECK_STEP_FAILS(coarse_session, cells, 0.1, expected, text);      \
    } while (0)

    CHECK_CELLS_FAIL(struct_size = 0, EMUCELL_INVALID_ARGUMENT, "struct_size of 0 bytes");
    CHECK_CELLS_FAIL(struct_size = 20, EMUCELL_INVALID_ARGUMENT, "emucell_cells_init");
    CHECK_CELLS_FAIL(reserved = 1, EMUCELL_INVALID_ARGUMENT, "reserved");
    CHECK_CELLS_FAIL(n_rows = N + 1, EMUCELL_INVALID_ARGUMENT, "without an index");
    CHECK_CELLS_FAIL(n_cells = N + 1, EMUCELL_INVALID_ARGUMENT, "in state");
    CHECK_CELLS_FAIL(n_cells = SIZE_MAX, EMUCELL_INVALID_ARGUMENT, "address space");
    CHECK_CELLS_FAIL(state.data = NULL, EMUCELL_INVALID_ARGUMENT, "data is NULL");
    CHECK_CELLS_FAIL(state.data = (char *)state + 1, EMUCELL_INVALID_ARGUMENT, "aligned");
    CHECK_CELLS_FAIL(state.length = 2 * N - 1, EMUCELL_INVALID_ARGUMENT, "length 9");
    CHECK_CELLS_FAIL(state.element_type = 0, EMUCELL_INVALID_ARGUMENT, "EMUCELL_F32 or EMUCELL_F64");
    CHECK_CELLS_FAIL(state.element_type = 3, EMUCELL_INVALID_ARGUMENT, "in state");
    CHECK_CELLS_FAIL(state.n_variables = 1, EMUCELL_INVALID_ARGUMENT, "state of 1 variables");
    CHECK_CELLS_FAIL(state.n_variables = 0, EMUCELL_INVALID_ARGUMENT, "n_variables is 0, in state");
    CHECK_CELLS_FAIL(n_cells = SIZE_MAX; cells.state.n_variables = 0, EMUCELL_INVALID_ARGUMENT, "n_variables is 0");
    CHECK_CELLS_FAIL(state.cell_stride = 0, EMUCELL_INVALID_ARGUMENT, "two elements in one place");
    CHECK_CELLS_FAIL(state.cell_stride = 1, EMUCELL_INVALID_ARGUMENT, "two elements in one place");
    CHECK_CELLS_FAIL(state.variable_stride = 0, EMUCELL_INVALID_ARGUMENT, "two elements in one place");
    CHECK_CELLS_FAIL(state.cell_stride = SIZE_MAX, EMUCELL_INVALID_ARGUMENT, "address space");
    CHECK_CELLS_FAIL(stimulus.data = NULL, EMUCELL_INVALID_ARGUMENT, "no stimulus");
    CHECK_CELLS_FAIL(stimulus.n_variables = 2, EMUCELL_INVALID_ARGUMENT, "stimulus");
    CHECK_CELLS_FAIL(stimulus.length = N - 1, EMUCELL_INVALID_ARGUMENT, "in stimulus");
    CHECK_CELLS_FAIL(stimulus.element_type = 9, EMUCELL_INVALID_ARGUMENT, "in stimulus");
    CHECK_CELLS_FAIL(parameters = cells.stimulus, EMUCELL_INVALID_ARGUMENT, "parameters of 1");

    cells = good_cells();
    CHECK_STEP_FAILS(threshold_session, cells, 0.1, EMUCELL_INVALID_ARGUMENT, "no parameters");
    cells.parameters = emucell_view_of_structures(parameters, EMUCELL_F32, N - 1, 1);
    CHECK_STEP_FAILS(threshold_session, cells, 0.1, EMUCELL_INVALID_ARGUMENT, "in parameters");
}

static void index_fails(void)
{
    const uint32_t list[3] = {4, 0, 2}, beyond[3] = {4, 5, 2}, far_beyond[3] = {4, 0, UINT32_MAX};
    emucell_cells cells = good_cells();
    cells.n_cells = 3;
    cells.n_rows = N;
    cells.index = beyond;
    CHECK_STEP_FAILS(coarse_session, cells, 0.1, EMUCELL_INVALID_ARGUMENT, "index[1] is row 5");
    cells.index = far_beyond;
    CHECK_STEP_FAILS(coarse_session, cells, 0.1, EMUCELL_INVALID_ARGUMENT, "index[2]");
    cells.index = (const uint32_t *)((const char *)list + 1);
    CHECK_STEP_FAILS(coarse_session, cells, 0.1, EMUCELL_INVALID_ARGUMENT, "index is not aligned");
    cells.index = list;
    cells.n_rows = N + 1;
    CHECK_STEP_FAILS(coarse_session, cells, 0.1, EMUCELL_INVALID_ARGUMENT, "in state");
    // More cells than rows cannot be different rows; the list is not even read.
    cells.n_rows = N;
    cells.n_cells = SIZE_MAX / 2;
    cells.stimulus.cell_stride = 0;
    CHECK_STEP_FAILS(coarse_session, cells, 0.1, EMUCELL_INVALID_ARGUMENT, "index");
    cells.n_cells = 3;
    CHECK_OK(emucell_step(coarse_session, &cells, 0.1, 1));
}

static void evaluate_fails(void)
{
    double inputs[3 * N] = {0}, outputs[2 * N];
    for (int i = 0; i < 2 * N; i++)
        outputs[i] = 77;
    const emucell_view good_in = emucell_view_of_structures(inputs, EMUCELL_F64, N, 3);
    const emucell_view good_out = emucell_view_of_structures(outputs, EMUCELL_F64, N, 2);
    emucell_view in = good_in, out = good_out;
    CHECK_FAILS(emucell_evaluate(NULL, N, &in, &out), EMUCELL_INVALID_ARGUMENT, "session is NULL");
    CHECK_FAILS(emucell_evaluate(network_session, N, NULL, &out), EMUCELL_INVALID_ARGUMENT, "inputs is NULL");
    CHECK_FAILS(emucell_evaluate(network_session, N, &in, NULL), EMUCELL_INVALID_ARGUMENT, "outputs is NULL");
    CHECK_FAILS(emucell_evaluate(network_session, N + 1, &in, &out), EMUCELL_INVALID_ARGUMENT, "in inputs");
    CHECK_FAILS(emucell_evaluate(network_session, SIZE_MAX, &in, &out), EMUCELL_INVALID_ARGUMENT, "address space");

#define CHECK_VIEW_FAILS(assignment, text)                                                             \
    do {                                                                                               \
        in = good_in;                                                                                  \
        out = good_out;                                                                                \
        assignment;                                                                                    \
        CHECK_FAILS(emucell_evaluate(network_session, N, &in, &out), EMUCELL_INVALID_ARGUMENT, text);  \
    } while (0)

    CHECK_VIEW_FAILS(in.data = NULL, "in inputs");
    CHECK_VIEW_FAILS(out.data = NULL, "in outputs");
    CHECK_VIEW_FAILS(in.data = (char *)inputs + 4, "aligned to 8 bytes");
    CHECK_VIEW_FAILS(in.length--, "in inputs");
    CHECK_VIEW_FAILS(out.length--, "in outputs");
    CHECK_VIEW_FAILS(in.n_variables = 2, "inputs of 2 variables where the surrogate has 3");
    CHECK_VIEW_FAILS(out.n_variables = 1, "outputs of 1 variables where the surrogate has 2");
    CHECK_VIEW_FAILS(in.element_type = 0, "in inputs");
    CHECK_VIEW_FAILS(out.element_type = 77, "in outputs");
    CHECK_VIEW_FAILS(out.cell_stride = 0, "two elements in one place");
    CHECK_VIEW_FAILS(out.cell_stride = 1, "two elements in one place");
    CHECK_VIEW_FAILS(out.variable_stride = SIZE_MAX, "address space");
    for (int i = 0; i < 2 * N; i++)
        CHECK(outputs[i] == 77);

    // The same inputs for every cell are fine, and so is a view longer than needed.
    in = good_in;
    in.cell_stride = 0;
    in.length = 1000000;
    CHECK_OK(emucell_evaluate(network_session, N, &in, &good_out));
}

static void no_cells(void)
{
    emucell_view in = emucell_view_of_structures(NULL, EMUCELL_F64, 0, 3);
    emucell_view out = emucell_view_of_structures(NULL, EMUCELL_F64, 0, 2);
    CHECK_OK(emucell_evaluate(network_session, 0, &in, &out));
    emucell_cells cells = good_cells();
    cells.n_cells = 0;
    CHECK_OK(emucell_step(coarse_session, &cells, 0.1, 1));
    const uint32_t nothing[1] = {0};
    cells.index = nothing;
    cells.n_rows = N;
    CHECK_OK(emucell_step(coarse_session, &cells, 0.1, 1));
    check_untouched();
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    CHECK(strcmp(emucell_last_error_message(), "") == 0);
    CHECK_OK(emucell_surrogate_load(argv[1], &coarse));
    CHECK_OK(emucell_surrogate_load(argv[2], &threshold));
    CHECK_OK(emucell_surrogate_load(argv[3], &network));
    CHECK_OK(emucell_session_create(coarse, NULL, &coarse_session));
    CHECK_OK(emucell_session_create(threshold, NULL, &threshold_session));
    CHECK_OK(emucell_session_create(network, NULL, &network_session));
    if (failures)
        return 1;
    load_fails();
    description_fails();
    session_fails();
    step_fails();
    index_fails();
    evaluate_fails();
    no_cells();
    emucell_session_destroy(&coarse_session);
    emucell_session_destroy(&threshold_session);
    emucell_session_destroy(&network_session);
    emucell_surrogate_destroy(&coarse);
    emucell_surrogate_destroy(&threshold);
    emucell_surrogate_destroy(&network);
    return failures != 0;
}
