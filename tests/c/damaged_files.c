// Files that end early or have flipped bits: an error or a surrogate that works, never a fault.
//
// Arguments: any surrogate files.

#include "check.h"

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        exit(2);
    uint8_t *bytes = malloc(1 << 20);
    *size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    return bytes;
}

// Loads the bytes; runs one cell if they are a surrogate all the same.
static emucell_status try_bytes(const uint8_t *bytes, size_t size)
{
    emucell_surrogate *surrogate = NULL;
    emucell_status status = emucell_surrogate_load_memory(bytes, size, &surrogate);
    CHECK((status == EMUCELL_OK) == (surrogate != NULL));
    if (status != EMUCELL_OK) {
        CHECK(status == EMUCELL_FORMAT || status == EMUCELL_UNSUPPORTED || status == EMUCELL_INVALID_ARGUMENT);
        CHECK(strlen(emucell_last_error_message()) > 10);
        return status;
    }
    size_t n_inputs = emucell_surrogate_n_inputs(surrogate), n_outputs = emucell_surrogate_n_outputs(surrogate);
    float *inputs = calloc(n_inputs, sizeof *inputs), *outputs = calloc(n_outputs, sizeof *outputs);
    emucell_view in = emucell_view_of_structures(inputs, EMUCELL_F32, 1, (uint32_t)n_inputs);
    emucell_view out = emucell_view_of_structures(outputs, EMUCELL_F32, 1, (uint32_t)n_outputs);
    emucell_session *session = NULL;
    CHECK_OK(emucell_session_create(surrogate, NULL, &session));
    CHECK_OK(emucell_evaluate(session, 1, &in, &out));
    free(inputs);
    free(outputs);
    emucell_session_destroy(&session);
    emucell_surrogate_destroy(&surrogate);
    return EMUCELL_OK;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        size_t size;
        uint8_t *bytes = read_file(argv[i], &size);
        CHECK_OK(try_bytes(bytes, size));
        for (size_t length = 0; length < size; length++) {
            // A copy of just that length, so that reading behind it is seen by memory checkers.
            uint8_t *part = malloc(length + !length);
            memcpy(part, bytes, length);
            try_bytes(part, length);
            free(part);
        }
        for (size_t at = 0; at < size; at++) {
            const uint8_t before = bytes[at];
            bytes[at] ^= (uint8_t)(1u << (at % 8));
            try_bytes(bytes, size);
            bytes[at] = 0xff;
            try_bytes(bytes, size);
            bytes[at] = before;
        }
        free(bytes);
    }
    return failures != 0;
}
