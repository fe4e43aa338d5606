// A surrogate file that changes while it is loaded, and after that.
//
// Arguments: fhn_euler_coarse.onnx formula_network.onnx

#define _POSIX_C_SOURCE 200809L

#include <unistd.h>

#include "check.h"

enum { SIZE = 1 << 20 };

static uint8_t first[SIZE], second[SIZE];
static size_t first_size, second_size;
static char path[] = "/tmp/emucell_changed_XXXXXX";

static size_t read_file(const char *name, uint8_t *bytes)
{
    FILE *file = fopen(name, "rb");
    if (!file)
        exit(2);
    size_t size = fread(bytes, 1, SIZE, file);
    fclose(file);
    return size;
}

// In place, as a careless program does it: whoever has mapped the file sees it.
static void overwrite(const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    CHECK(file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
}

static void step_one_cell(emucell_session *session, float result[2])
{
    float state[2] = {0.5f, 0.01f}, stimulus = 0;
    emucell_cells cells;
    CHECK_OK(emucell_cells_init(&cells));
    cells.n_cells = 1;
    cells.state = emucell_view_of_structures(state, EMUCELL_F32, 1, 2);
    cells.stimulus = emucell_view_of_structures(&stimulus, EMUCELL_F32, 1, 1);
    CHECK_OK(emucell_step(session, &cells, 0.1, 3));
    memcpy(result, state, sizeof state);
}

// The surrogate goes on as it was loaded, sessions made of it afterwards included.
static void check_same(const emucell_surrogate *surrogate, emucell_session *session, const float expected[2])
{
    float found[2];
    step_one_cell(session, found);
    CHECK(memcmp(found, expected, sizeof found) == 0);
    emucell_session *another = NULL;
    CHECK_OK(emucell_session_create(surrogate, NULL, &another));
    step_one_cell(another, found);
    CHECK(memcmp(found, expected, sizeof found) == 0);
    emucell_session_destroy(&another);
    CHECK(strstr(emucell_surrogate_provenance(surrogate), "forward Euler"));
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    first_size = read_file(argv[1], first);
    second_size = read_file(argv[2], second);
    int descriptor = mkstemp(path);
    if (descriptor < 0)
        return 2;
    close(descriptor);
    overwrite(first, first_size);

    emucell_surrogate *surrogate = NULL, *other = NULL;
    emucell_session *session = NULL;
    CHECK_OK(emucell_surrogate_load(path, &surrogate));
    CHECK_OK(emucell_session_create(surrogate, NULL, &session));
    if (failures)
        return 1;
    float expected[2];
    step_one_cell(session, expected);

    overwrite(second, second_size);
    check_same(surrogate, session, expected);
    CHECK_OK(emucell_surrogate_load(path, &other));
    uint32_t kind = 0;
    CHECK_OK(emucell_surrogate_kind(other, &kind, NULL));
    CHECK(kind == EMUCELL_SOLUTION_MAP);
    emucell_surrogate_destroy(&other);

    overwrite(first, first_size / 2);
    check_same(surrogate, session, expected);
    CHECK_FAILS(emucell_surrogate_load(path, &other), EMUCELL_FORMAT, path);
    CHECK(other == NULL);

    overwrite(first, 0);
    check_same(surrogate, session, expected);
    CHECK_FAILS(emucell_surrogate_load(path, &other), EMUCELL_FORMAT, path);

    CHECK(remove(path) == 0);
    check_same(surrogate, session, expected);
    CHECK_FAILS(emucell_surrogate_load(path, &other), EMUCELL_IO, path);

    emucell_session_destroy(&session);
    emucell_surrogate_destroy(&surrogate);
    return failures != 0;
}
