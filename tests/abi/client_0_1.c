// A program of version 0.1: compiled with the header of then, run with the library of now.
//
// Arguments: fhn_euler_coarse.onnx fhn_euler_threshold.onnx formula_network.onnx

// Keeps check.h from including the header of now.
#include "emucell_0_1.h"

#include "../c/check.h"
#include "../c/expected.h"

enum { N = 40 };

static emucell_surrogate *load(const char *path)
{
    emucell_surrogate *surrogate = NULL;
    CHECK_OK(emucell_surrogate_load(path, &surrogate));
    if (!surrogate)
        exit(1);
    return surrogate;
}

static void description(const emucell_surrogate *step_map, const emucell_surrogate *network)
{
    uint32_t kind = 0;
    double dt = -1, state[2] = {-1, -1};
    CHECK(emucell_abi_version() == EMUCELL_ABI_VERSION);
    CHECK(strlen(emucell_version()) >= 5);
    CHECK_OK(emucell_surrogate_kind(step_map, &kind, &dt));
    CHECK(kind == EMUCELL_STEP_MAP && dt == 0.1);
    CHECK_OK(emucell_surrogate_kind(network, &kind, &dt));
    CHECK(kind == EMUCELL_SOLUTION_MAP && dt == 0.0);
    CHECK(emucell_surrogate_n_inputs(step_map) == 3 && emucell_surrogate_n_outputs(step_map) == 2);
    emucell_variable v;
    CHECK_OK(emucell_surrogate_input(step_map, 2, &v));
    CHECK(strcmp(v.name, "s") == 0 && strcmp(v.unit, "1") == 0 && v.role == EMUCELL_STIMULUS);
    CHECK(v.has_range == 1 && v.range_low == 0.0 && v.range_high == 0.12);
    CHECK_OK(emucell_surrogate_output(step_map, 1, &v));
    CHECK(strcmp(v.name, "w") == 0 && v.role == EMUCELL_STATE);
    CHECK_OK(emucell_surrogate_initial_state(step_map, state, 2));
    CHECK(state[0] == 0 && state[1] == 0);
    CHECK(strstr(emucell_surrogate_provenance(step_map), "forward Euler"));
}

static void load_from_memory(const char *path)
{
    static uint8_t bytes[1 << 20];
    FILE *file = fopen(path, "rb");
    if (!file)
        exit(2);
    const size_t size = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    emucell_surrogate *surrogate = NULL;
    CHECK_OK(emucell_surrogate_load_memory(bytes, size, &surrogate));
    CHECK(emucell_surrogate_n_outputs(surrogate) == 2);
    emucell_surrogate_destroy(&surrogate);
    CHECK_STATUS(emucell_surrogate_load_memory(bytes, size / 2, &surrogate), EMUCELL_FORMAT);
}

// What lies behind the struct of then must be neither read nor written.
static void options_of_then(const emucell_surrogate *surrogate)
{
    struct {
        emucell_session_options options;
        unsigned char behind[256];
    } memory;
    memset(&memory, 0xa5, sizeof memory);
    memory.options.struct_size = sizeof memory.options;
    memory.options.n_threads = 2;
    memory.options.guard = EMUCELL_GUARD_CLAMP;
    memory.options.reserved = 0;
    memory.options.instruction_set = "scalar";
    emucell_session *session = NULL;
    CHECK_OK(emucell_session_create(surrogate, &memory.options, &session));
    for (size_t i = 0; i < sizeof memory.behind; i++)
        CHECK(memory.behind[i] == 0xa5);
    emucell_session_destroy(&session);
    CHECK(session == NULL);
}

static void init_of_then(void)
{
    struct {
        emucell_session_options options;
        unsigned char behind[256];
    } options;
    struct {
        emucell_cells cells;
        unsigned char behind[256];
    } cells;
    memset(&options, 0xa5, sizeof options);
    memset(&cells, 0xa5, sizeof cells);
    CHECK_OK(emucell_session_options_init(&options.options));
    CHECK_OK(emucell_cells_init(&cells.cells));
    for (size_t i = 0; i < sizeof options.behind; i++)
        CHECK(options.behind[i] == 0xa5 && cells.behind[i] == 0xa5);
    CHECK(options.options.struct_size == sizeof options.options && options.options.n_threads == 1);
    CHECK(cells.cells.struct_size == sizeof cells.cells && cells.cells.status == NULL);
}

static void step(const emucell_surrogate *surrogate)
{
    emucell_session_options options;
    emucell_session *session = NULL;
    CHECK_OK(emucell_session_options_init(&options));
    options.n_threads = 2;
    options.guard = EMUCELL_GUARD_CLAMP;
    CHECK_OK(emucell_session_create(surrogate, &options, &session));
    double state[2 * N];
    float stimulus = 0.05f, thresholds[N];
    uint32_t index[N / 2];
    uint8_t status[N / 2];
    for (int i = 0; i < N; i++) {
        state[2 * i] = 0.3;
        state[2 * i + 1] = 0.001 * i;
        thresholds[i] = 0.1f + 0.4f * i / N;
    }
    for (uint32_t i = 0; i < N / 2; i++)
        index[i] = 2 * i;
    emucell_cells cells;
    CHECK_OK(emucell_cells_init(&cells));
    cells.n_cells = N / 2;
    cells.n_rows = N;
    cells.state = emucell_view_of_structures(state, EMUCELL_F64, N, 2);
    cells.stimulus = emucell_view_of_structures(&stimulus, EMUCELL_F32, 1, 1);
    cells.stimulus.cell_stride = 0;
    cells.parameters = emucell_view_of_arrays(thresholds, EMUCELL_F32, N, 1, N);
    cells.index = index;
    cells.status = status;
    CHECK_OK(emucell_step(session, &cells, 0.1, 3));
    for (int i = 0; i < N; i++) {
        float u = 0.3f, w = (float)(0.001 * i);
        for (int k = 0; k < 3 && i % 2 == 0; k++)
            fhn_euler(&u, &w, stimulus, thresholds[i], 0.1f);
        CHECK_CLOSE(state[2 * i], u, 1e-6);
        CHECK_CLOSE(state[2 * i + 1], w, 1e-6);
        CHECK(status[i / 2] == 0);
    }
    CHECK_FAILS(emucell_step(session, &cells, 0.2, 1), EMUCELL_WRONG_STEP, "dt = 0.1");
    cells.state.length = 3;
    CHECK_FAILS(emucell_step(session, &cells, 0.1, 1), EMUCELL_INVALID_ARGUMENT, "in state");
    emucell_session_destroy(&session);
}

static void evaluate(const emucell_surrogate *surrogate)
{
    emucell_session *session = NULL;
    CHECK_OK(emucell_session_create(surrogate, NULL, &session));
    double inputs[3 * N], outputs[2 * N];
    for (int i = 0; i < N; i++) {
        inputs[i] = 25.0 * i / N;
        inputs[N + i] = -0.1 + 0.9 * i / N;
        inputs[2 * N + i] = 0.1;
    }
    const emucell_view in = emucell_view_of_arrays(inputs, EMUCELL_F64, N, 3, N);
    const emucell_view out = emucell_view_of_structures(outputs, EMUCELL_F64, N, 2);
    CHECK_OK(emucell_evaluate(session, N, &in, &out));
    for (int i = 0; i < N; i++) {
        const double x[3] = {inputs[i], inputs[N + i], inputs[2 * N + i]};
        double expected[2];
        formula_network(x, expected);
        CHECK_CLOSE(outputs[2 * i], expected[0], 2e-5);
        CHECK_CLOSE(outputs[2 * i + 1], expected[1], 2e-5);
    }
    emucell_session_destroy(&session);
}

static void statuses(void)
{
    const char *names[] = {"EMUCELL_OK", "EMUCELL_INVALID_ARGUMENT", "EMUCELL_IO", "EMUCELL_FORMAT",
                           "EMUCELL_UNSUPPORTED", "EMUCELL_WRONG_STEP", "EMUCELL_NUMERIC", "EMUCELL_BUSY",
                           "EMUCELL_POISONED", "EMUCELL_PANIC", "EMUCELL_INTERRUPTED"};
    for (int i = 0; i < (int)N_ELEMENTS(names); i++) {
        CHECK(strcmp(emucell_status_name(i), names[i]) == 0);
        CHECK(strlen(emucell_status_text(i)) > 3);
    }
    emucell_surrogate *surrogate = NULL;
    CHECK_FAILS(emucell_surrogate_load("no/such/file.onnx", &surrogate), EMUCELL_IO, "no/such/file.onnx");
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    emucell_surrogate *coarse = load(argv[1]), *threshold = load(argv[2]), *network = load(argv[3]);
    init_of_then();
    description(coarse, network);
    load_from_memory(argv[1]);
    options_of_then(coarse);
    step(threshold);
    evaluate(network);
    statuses();
    emucell_surrogate_destroy(&coarse);
    emucell_surrogate_destroy(&threshold);
    emucell_surrogate_destroy(&network);
    return failures != 0;
}
