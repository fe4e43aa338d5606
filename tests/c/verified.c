// Whether surrogates were proved against their cell models.
//
// Arguments: fhn_euler_coarse.onnx fhn_euler_verified.onnx fhn_euler_not_verified.onnx

#include "check.h"

typedef struct {
    int n;
    char last[256];
} messages;

static void keep(void *data, uint32_t level, const char *message)
{
    messages *kept = data;
    CHECK(level == EMUCELL_LOG_WARN);
    kept->n += 1;
    snprintf(kept->last, sizeof kept->last, "%s", message);
}

static uint32_t verified(const char *path)
{
    emucell_surrogate *surrogate = NULL;
    CHECK_OK(emucell_surrogate_load(path, &surrogate));
    uint32_t status = emucell_surrogate_verified(surrogate);
    emucell_surrogate_destroy(&surrogate);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    messages kept = {0};
    CHECK_OK(emucell_set_log(keep, &kept, EMUCELL_LOG_WARN));
    CHECK(verified(argv[1]) == EMUCELL_VERIFIED_UNKNOWN);
    CHECK(verified(argv[2]) == EMUCELL_VERIFIED);
    CHECK(kept.n == 0);
    CHECK(verified(argv[3]) == EMUCELL_NOT_VERIFIED);
    CHECK(kept.n == 1 && strstr(kept.last, "not verified") && strstr(kept.last, "apd90 3.2 % instead of 1 %"));
    CHECK(emucell_surrogate_verified(NULL) == EMUCELL_VERIFIED_UNKNOWN);
    CHECK_OK(emucell_set_log(NULL, NULL, EMUCELL_LOG_OFF));
    return failures != 0;
}
