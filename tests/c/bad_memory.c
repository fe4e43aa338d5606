// What a caller can get wrong about memory: views that overlap, rows that repeat, structs of another
// header, numbers that are none. The status, a message that says so, and every byte as it was.
//
// Arguments: fhn_euler_coarse.onnx fhn_euler_threshold.onnx formula_network.onnx

#include "check.h"

enum { N = 70, SIZE = 4 * N };

static emucell_session *coarse, *threshold, *network;

// Everything that a call may touch, to compare afterwards.
static struct memory {
    float state[SIZE];
    double numbers[SIZE];
    uint8_t status[SIZE];
    uint32_t index[N];
} memory, before;

static emucell_cells good_cells(void)
{
    for (int i = 0; i < SIZE; i++) {
        memory.state[i] = 0.001f * i;
        memory.numbers[i] = 0.1;
        memory.status[i] = 0xaa;
    }
    for (uint32_t i = 0; i < N; i++)
        memory.index[i] = N - 1 - i;
    emucell_cells cells;
    CHECK_OK(emucell_cells_init(&cells));
    cells.n_cells = cells.n_rows = N;
    cells.state = emucell_view_of_structures(memory.state, EMUCELL_F32, N, 2);
    cells.stimulus = emucell_view_of_structures(memory.numbers, EMUCELL_F64, N, 1);
    cells.index = memory.index;
    cells.status = memory.status;
    return cells;
}

#define CHECK_REFUSED(call, text)                                     \
    do {                                                              \
        before = memory;                                              \
        CHECK_FAILS(call, EMUCELL_INVALID_ARGUMENT, text);            \
        CHECK(memcmp(&memory, &before, sizeof memory) == 0);          \
    } while (0)

static emucell_view floats(float *first, uint32_t n_variables)
{
    return emucell_view_of_structures(first, EMUCELL_F32, N, n_variables);
}

static void overlapping_cells(void)
{
#define CHECK_OVERLAP(session, assignment, text)                      \
    do {                                                              \
        emucell_cells cells = good_cells();                           \
        assignment;                                                   \
        CHECK_REFUSED(emucell_step(session, &cells, 0.1, 1), text);   \
    } while (0)

    CHECK_OVERLAP(coarse, cells.stimulus = floats(memory.state, 1), "state and stimulus share memory");
    CHECK_OVERLAP(coarse, cells.stimulus = floats(memory.state + 2 * N - 1, 1), "share memory");
    CHECK_OVERLAP(threshold, cells.parameters = floats(memory.state + 5, 1), "state and parameters share memory");
    CHECK_OVERLAP(coarse, cells.status = (uint8_t *)memory.state + 8, "state and status share memory");
    CHECK_OVERLAP(coarse, cells.index = (const uint32_t *)(memory.state + 3), "state and index share memory");
    const emucell_view same[2] = {floats(memory.state, 1), floats(memory.state + N - 1, 1)};
    CHECK_OVERLAP(coarse, cells.state.data = NULL; cells.state.n_variables = 0; cells.state_parts = same;
                  cells.n_state_parts = 2, "state and state share memory");
    const emucell_view apart[2] = {floats(memory.state, 1), floats(memory.state + N, 1)};
    CHECK_OVERLAP(coarse, cells.state_parts = apart; cells.n_state_parts = 2, "both state and state in parts");

    // A stimulus that lies in the same structures as the state shares no number with it.
    emucell_cells cells = good_cells();
    cells.state.cell_stride = cells.stimulus.cell_stride = 3;
    cells.stimulus = floats(memory.state + 2, 1);
    cells.stimulus.cell_stride = 3;
    cells.state.length = SIZE;
    cells.stimulus.length = SIZE - 2;
    CHECK_OK(emucell_step(coarse, &cells, 0.1, 1));
}

static void overlapping_evaluation(void)
{
    good_cells();
    emucell_view in = emucell_view_of_structures(memory.numbers, EMUCELL_F64, N, 3);
    emucell_view out = emucell_view_of_structures(memory.numbers, EMUCELL_F64, N, 2);
    CHECK_REFUSED(emucell_evaluate(network, N, &in, &out), "outputs and inputs share memory");
    // Not even by a byte, and whatever the types.
    out = emucell_view_of_structures((float *)(void *)memory.numbers + 6 * N - 1, EMUCELL_F32, N, 2);
    CHECK_REFUSED(emucell_evaluate(network, N, &in, &out), "share memory");
    out.data = (float *)out.data + 1;
    CHECK_OK(emucell_evaluate(network, N, &in, &out));
}

static void repeated_rows(void)
{
    emucell_cells cells = good_cells();
    memory.index[N - 1] = memory.index[3];
    CHECK_REFUSED(emucell_step(coarse, &cells, 0.1, 1), "twice");
    good_cells();
    memory.index[0] = memory.index[1];
    CHECK_REFUSED(emucell_step(coarse, &cells, 0.1, 1), "twice");
    good_cells();
    memory.index[N / 2] = N;
    CHECK_REFUSED(emucell_step(coarse, &cells, 0.1, 1), "index[35]");
    good_cells();
    CHECK_OK(emucell_step(coarse, &cells, 0.1, 1));
}

// Structs of a header that is newer than the library.
static void longer_structs(const emucell_surrogate *surrogate)
{
    struct {
        emucell_session_options options;
        uint64_t unknown[4];
    } newer;
    memset(&newer, 0, sizeof newer);
    CHECK_OK(emucell_session_options_init(&newer.options));
    newer.options.struct_size = sizeof newer;
    emucell_session *session = NULL;
    CHECK_OK(emucell_session_create(surrogate, &newer.options, &session));
    emucell_session_destroy(&session);
    newer.unknown[3] = 1;
    CHECK_FAILS(emucell_session_create(surrogate, &newer.options, &session), EMUCELL_INVALID_ARGUMENT, "at least as new");
    CHECK(session == NULL);

    struct {
        emucell_cells cells;
        uint64_t unknown[4];
    } newer_cells;
    memset(&newer_cells, 0, sizeof newer_cells);
    newer_cells.cells = good_cells();
    newer_cells.cells.struct_size = sizeof newer_cells;
    CHECK_OK(emucell_step(coarse, &newer_cells.cells, 0.1, 1));
    good_cells();
    newer_cells.unknown[0] = 1;
    CHECK_REFUSED(emucell_step(coarse, &newer_cells.cells, 0.1, 1), "at least as new");
    newer_cells.cells.struct_size = UINT32_MAX;
    CHECK_REFUSED(emucell_step(coarse, &newer_cells.cells, 0.1, 1), "struct_size");
}

static void misaligned_structs(void)
{
    unsigned char bytes[sizeof(emucell_cells) + 1];
    const emucell_cells cells = good_cells();
    memcpy(bytes + 1, &cells, sizeof cells);
    const size_t shift = (uintptr_t)bytes % 2 ? 0 : 1;
    memmove(bytes + shift, &cells, sizeof cells);
    CHECK_REFUSED(emucell_step(coarse, (const emucell_cells *)(void *)(bytes + shift), 0.1, 1), "aligned");
}

// NaN and infinities are told of in the status byte, denormals are numbers like others; the other cells
// are as if they were alone.
static void numbers_that_are_none(void)
{
    emucell_cells cells = good_cells();
    cells.index = NULL;
    CHECK_OK(emucell_step(coarse, &cells, 0.1, 3));
    struct memory well = memory;
    good_cells();
    const float bad[] = {NAN, INFINITY, -INFINITY, 1e-40f, -1e-45f, 3e38f};
    for (int i = 0; i < (int)N_ELEMENTS(bad); i++)
        memory.state[2 * (5 + 11 * i)] = bad[i];
    CHECK_OK(emucell_step(coarse, &cells, 0.1, 3));
    for (int cell = 0; cell < N; cell++) {
        const int which = cell >= 5 && (cell - 5) % 11 == 0 ? (cell - 5) / 11 : -1;
        if (which < 0)
            CHECK(memcmp(&memory.state[2 * cell], &well.state[2 * cell], 8) == 0 && memory.status[cell] == well.status[cell]);
        else
            CHECK(!!(memory.status[cell] & EMUCELL_CELL_NOT_FINITE) == (which < 3 || which == 5));
    }
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    emucell_surrogate *surrogates[3] = {NULL, NULL, NULL};
    emucell_session **sessions[3] = {&coarse, &threshold, &network};
    for (int i = 0; i < 3; i++) {
        CHECK_OK(emucell_surrogate_load(argv[i + 1], &surrogates[i]));
        CHECK_OK(emucell_session_create(surrogates[i], NULL, sessions[i]));
    }
    if (failures)
        return 1;
    overlapping_cells();
    overlapping_evaluation();
    repeated_rows();
    longer_structs(surrogates[0]);
    misaligned_structs();
    numbers_that_are_none();
    for (int i = 0; i < 3; i++) {
        emucell_session_destroy(sessions[i]);
        emucell_surrogate_destroy(&surrogates[i]);
    }
    return failures != 0;
}
