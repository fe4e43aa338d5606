// A host that computes with OpenMP: a session for each of its threads, cells shared between them.
//
// Argument: fhn_euler_coarse.onnx

#include <omp.h>

#include "check.h"

enum { N = 10007, N_THREADS = 8, N_STEPS = 50 };

static emucell_surrogate *surrogate;

static void advance(emucell_session *session, double *state, const double *stimulus, int first, int end)
{
    emucell_cells cells;
    emucell_cells_init(&cells);
    cells.n_cells = (size_t)(end - first);
    cells.state = emucell_view_of_arrays(state + first, EMUCELL_F64, cells.n_cells, 2, N);
    cells.stimulus = emucell_view_of_structures((void *)(stimulus + first), EMUCELL_F64, cells.n_cells, 1);
    const emucell_status status = emucell_step(session, &cells, 0.1, 1);
#pragma omp critical
    CHECK_OK(status);
}

static void set(double *state, double *stimulus)
{
    for (int i = 0; i < N; i++) {
        state[i] = (double)i / N;
        state[N + i] = 0.1 * i / N;
        stimulus[i] = i % 3 ? 0 : 0.1;
    }
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    CHECK_OK(emucell_surrogate_load(argv[1], &surrogate));
    static double serial[2 * N], parallel[2 * N], stimulus[N];
    emucell_session *session = NULL;
    CHECK_OK(emucell_session_create(surrogate, NULL, &session));
    if (failures)
        return 1;
    set(serial, stimulus);
    for (int k = 0; k < N_STEPS; k++)
        advance(session, serial, stimulus, 0, N);
    emucell_session_destroy(&session);

    set(parallel, stimulus);
    int n_threads = 0;
#pragma omp parallel num_threads(N_THREADS)
    {
        emucell_session *own = NULL;
        const emucell_status status = emucell_session_create(surrogate, NULL, &own);
#pragma omp critical
        {
            CHECK_OK(status);
            n_threads++;
        }
        const int thread = omp_get_thread_num(), threads = omp_get_num_threads();
        for (int k = 0; k < N_STEPS; k++) {
            advance(own, parallel, stimulus, N * thread / threads, N * (thread + 1) / threads);
#pragma omp barrier
        }
        emucell_session_destroy(&own);
    }
    CHECK(n_threads == N_THREADS);
    CHECK(memcmp(serial, parallel, sizeof serial) == 0);
    emucell_surrogate_destroy(&surrogate);
    return failures != 0;
}
