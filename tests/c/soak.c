// Very many cell-steps without a byte of growth.
//
// Arguments: a step map of two states and a stimulus; number of cell-steps (1e9)

#include <time.h>

#include "check.h"
#include "counting_malloc.h"

// Until it is warm, the heap still spreads over what loading has left free.
enum { N = 500, N_STEPS = 2, N_WARM = 2000 };

// Kilobytes that the process has written to; unlike /proc/self/status, this is exact.
static long written_memory(void)
{
    char line[200];
    long found = -1;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    if (!file)
        return -1;
    while (fgets(line, sizeof line, file))
        sscanf(line, "Anonymous: %ld", &found);
    fclose(file);
    return found;
}

static void step(emucell_session *session, emucell_cells *cells, double dt)
{
    CHECK_OK(emucell_step(session, cells, dt, N_STEPS));
    // One cell on its own, and a call that fails: other code.
    cells->n_cells = 1;
    CHECK_OK(emucell_step(session, cells, dt, N_STEPS));
    CHECK_STATUS(emucell_step(session, cells, 2 * dt, N_STEPS), EMUCELL_WRONG_STEP);
    cells->n_cells = N;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    const double wanted = strtod(argv[2], NULL);
    emucell_surrogate *surrogate = NULL;
    emucell_session *session = NULL;
    emucell_session_options options;
    double dt = 0;
    CHECK_OK(emucell_surrogate_load(argv[1], &surrogate));
    CHECK_OK(emucell_surrogate_kind(surrogate, NULL, &dt));
    CHECK_OK(emucell_session_options_init(&options));
    options.guard = EMUCELL_GUARD_CLAMP;
    CHECK_OK(emucell_session_create(surrogate, &options, &session));
    if (failures)
        return 1;
    static float state[2 * N], stimulus[N];
    static uint8_t status[N];
    for (int i = 0; i < N; i++) {
        state[i] = (float)i / N;
        stimulus[i] = i % 2 ? 0.0f : 0.1f;
    }
    emucell_cells cells;
    CHECK_OK(emucell_cells_init(&cells));
    cells.n_cells = N;
    cells.state = emucell_view_of_arrays(state, EMUCELL_F32, N, 2, N);
    cells.stimulus = emucell_view_of_structures(stimulus, EMUCELL_F32, N, 1);
    cells.status = status;
    for (int i = 0; i < N_WARM; i++)
        step(session, &cells, dt);

    written_memory();
    const clock_t start = clock();
    const long bytes = n_live_bytes(), memory = written_memory();
    double done = 0;
    for (; done < wanted && !failures; done += (double)(N + 1) * N_STEPS)
        step(session, &cells, dt);
    const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    CHECK_CLOSE((double)n_live_bytes(), (double)bytes, 0);
    CHECK_CLOSE((double)written_memory(), (double)memory, 0);
    if (wanted >= 1e8)
        printf("%.3g cell-steps in %.1f s: %ld bytes allocated, %ld kB of memory written, before and after\n", done,
               seconds, n_live_bytes(), written_memory());
    emucell_session_destroy(&session);
    emucell_surrogate_destroy(&surrogate);
    return failures != 0;
}
