// Cells in every layout, in float and double, with and without an index: the same numbers.
//
// Argument: fhn_euler_coarse.onnx

#include "check.h"
#include "expected.h"

enum { N = 100, PITCH = 128, SIZE = 3 * PITCH + 64 };

static const double UNTOUCHED = -77;

// A layout of two variables, and how the view of it is made.
typedef struct layout {
    size_t cell_stride, variable_stride;
} layout;

static const layout LAYOUTS[] = {
    {2, 1},          // structures
    {1, N},          // arrays
    {1, PITCH},      // arrays with pitched rows
    {3, 1},          // structures with a number that is none of ours
    {3, 2},          // ... in between
};

static double initial(int cell, int variable)
{
    return variable == 0 ? 0.008 * cell : 0.001 * cell;
}

static double stimulus(int cell)
{
    return cell % 3 ? 0.0 : 0.12;
}

static double get(const void *buffer, uint32_t element_type, size_t i)
{
    return element_type == EMUCELL_F32 ? ((const float *)buffer)[i] : ((const double *)buffer)[i];
}

static void set(void *buffer, uint32_t element_type, size_t i, double value)
{
    if (element_type == EMUCELL_F32)
        ((float *)buffer)[i] = (float)value;
    else
        ((double *)buffer)[i] = value;
}

static void check_layout(emucell_session *session, layout l, uint32_t element_type, const uint32_t *index, size_t n)
{
    double state[SIZE], s[N];
    uint8_t status[N];
    for (size_t i = 0; i < SIZE; i++)
        set(state, element_type, i, UNTOUCHED);
    for (int cell = 0; cell < N; cell++)
        for (int variable = 0; variable < 2; variable++)
            set(state, element_type, cell * l.cell_stride + variable * l.variable_stride, initial(cell, variable));
    for (size_t i = 0; i < n; i++)
        s[i] = stimulus(index ? (int)index[i] : (int)i);

    emucell_cells cells;
    CHECK_OK(emucell_cells_init(&cells));
    cells.n_cells = n;
    cells.n_rows = N;
    emucell_view view = {state, SIZE, l.cell_stride, l.variable_stride, 2, element_type};
    cells.state = view;
    cells.stimulus = emucell_view_of_structures(s, EMUCELL_F64, n, 1);
    cells.index = index;
    cells.status = status;
    CHECK_OK(emucell_step(session, &cells, 0.1, 3));

    unsigned char listed[N] = {0}, ours[SIZE] = {0};
    for (size_t i = 0; i < n; i++)
        listed[index ? index[i] : i] = 1;
    for (int cell = 0; cell < N; cell++) {
        float u = (float)initial(cell, 0), w = (float)initial(cell, 1);
        for (int k = 0; k < 3 && listed[cell]; k++)
            fhn_euler(&u, &w, (float)stimulus(cell), FHN_THRESHOLD, 0.1f);
        size_t at = cell * l.cell_stride;
        CHECK_CLOSE(get(state, element_type, at), u, 1e-6);
        CHECK_CLOSE(get(state, element_type, at + l.variable_stride), w, 1e-6);
        ours[at] = ours[at + l.variable_stride] = 1;
    }
    for (size_t i = 0; i < SIZE; i++)
        CHECK(ours[i] || get(state, element_type, i) == UNTOUCHED);
    for (size_t i = 0; i < n; i++)
        CHECK(status[i] == 0);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    emucell_surrogate *surrogate = NULL;
    CHECK_OK(emucell_surrogate_load(argv[1], &surrogate));
    emucell_session *session = NULL;
    CHECK_OK(emucell_session_create(surrogate, NULL, &session));
    if (!session)
        return 1;

    uint32_t every[N], some[37];
    for (uint32_t i = 0; i < N; i++)
        every[i] = (7 * i + 3) % N;
    for (uint32_t i = 0; i < N_ELEMENTS(some); i++)
        some[i] = N - 1 - 2 * i;
    const uint32_t element_types[] = {EMUCELL_F32, EMUCELL_F64};
    for (size_t i = 0; i < N_ELEMENTS(LAYOUTS); i++) {
        for (size_t j = 0; j < N_ELEMENTS(element_types); j++) {
            check_layout(session, LAYOUTS[i], element_types[j], NULL, N);
            check_layout(session, LAYOUTS[i], element_types[j], every, N);
            check_layout(session, LAYOUTS[i], element_types[j], some, N_ELEMENTS(some));
        }
    }
    emucell_session_destroy(&session);
    emucell_surrogate_destroy(&surrogate);
    return failures != 0;
}
