// The same surrogates on emucell's own kernels and on ONNX Runtime, and a graph that only ONNX
// Runtime runs.
//
// Arguments: libonnxruntime.so fhn_euler_coarse.onnx formula_network.onnx sine.onnx

#include "check.h"

enum { N = 1500 };  // more than ONNX Runtime gets at a time

static const char *library;

static emucell_surrogate *load(const char *path)
{
    emucell_surrogate *surrogate = NULL;
    CHECK_OK(emucell_surrogate_load(path, &surrogate));
    if (!surrogate)
        exit(1);
    return surrogate;
}

static emucell_session_options options_for(uint32_t backend)
{
    emucell_session_options options;
    CHECK_OK(emucell_session_options_init(&options));
    options.backend = backend;
    options.onnxruntime_library = library;
    return options;
}

static emucell_session *new_session(const emucell_surrogate *surrogate, uint32_t backend, uint32_t n_threads)
{
    emucell_session_options options = options_for(backend);
    options.n_threads = n_threads;
    emucell_session *session = NULL;
    CHECK_OK(emucell_session_create(surrogate, &options, &session));
    if (!session)
        exit(1);
    return session;
}

static void evaluations_agree(const char *path)
{
    emucell_surrogate *network = load(path);
    static float x[N][3], native[N][2], other[N][2];
    for (int i = 0; i < N; i++) {
        x[i][0] = (float)(i % 25);
        x[i][1] = (float)(i % 7) * 0.1f;
        x[i][2] = (float)(i % 5) * 0.02f;
    }
    emucell_view in = emucell_view_of_structures(x, EMUCELL_F32, N, 3);
    emucell_view out = emucell_view_of_structures(native, EMUCELL_F32, N, 2);
    emucell_session *session = new_session(network, EMUCELL_BACKEND_NATIVE, 1);
    CHECK_OK(emucell_evaluate(session, N, &in, &out));
    emucell_session_destroy(&session);
    for (uint32_t n_threads = 1; n_threads <= 2; n_threads++) {
        session = new_session(network, EMUCELL_BACKEND_ONNXRUNTIME, n_threads);
        CHECK(strstr(emucell_session_name(session), "onnxruntime cpu") != NULL);
        out = emucell_view_of_structures(other, EMUCELL_F32, N, 2);
        memset(other, 0, sizeof other);
        CHECK_OK(emucell_evaluate(session, N, &in, &out));
        CHECK_OK(emucell_session_synchronize(session));
        for (int i = 0; i < N; i++)
            for (int j = 0; j < 2; j++)
                CHECK_CLOSE(other[i][j], native[i][j], 2e-6);
        emucell_session_destroy(&session);
    }
    emucell_surrogate_destroy(&network);
}

static void steps_agree(const char *path)
{
    emucell_surrogate *step_map = load(path);
    static double state[2][2][N], stimulus[N];
    const uint32_t backends[2] = {EMUCELL_BACKEND_NATIVE, EMUCELL_BACKEND_ONNXRUNTIME};
    for (int b = 0; b < 2; b++) {
        for (int i = 0; i < N; i++) {
            state[b][0][i] = (i % 11) * 0.09;
            state[b][1][i] = (i % 4) * 0.05;
            stimulus[i] = (i % 3) * 0.06;
        }
        emucell_session *session = new_session(step_map, backends[b], 1);
        emucell_cells cells;
        CHECK_OK(emucell_cells_init(&cells));
        cells.n_cells = N;
        cells.state = emucell_view_of_arrays(state[b], EMUCELL_F64, N, 2, N);
        cells.stimulus = emucell_view_of_structures(stimulus, EMUCELL_F64, N, 1);
        for (int call = 0; call < 3; call++)
            CHECK_OK(emucell_step(session, &cells, 0.1, 4));
        emucell_session_destroy(&session);
    }
    for (int i = 0; i < N; i++)
        for (int j = 0; j < 2; j++)
            CHECK_CLOSE(state[1][j][i], state[0][j][i], 5e-6);
    emucell_surrogate_destroy(&step_map);
}

static void a_graph_runs_by_itself(const char *path)
{
    emucell_surrogate *sine = load(path);
    double x[3] = {0.25, 0.5, 0.75}, y[3] = {0, 0, 0};
    emucell_view in = emucell_view_of_structures(x, EMUCELL_F64, 1, 3);
    emucell_view out = emucell_view_of_structures(y, EMUCELL_F64, 1, 3);
    emucell_session *session = new_session(sine, EMUCELL_BACKEND_AUTO, 1);
    CHECK_OK(emucell_evaluate(session, 1, &in, &out));
    for (int j = 0; j < 3; j++)
        CHECK_CLOSE(y[j], sin(x[j]), 1e-6);
    emucell_session_destroy(&session);

    emucell_session_options options = options_for(EMUCELL_BACKEND_NATIVE);
    CHECK_FAILS(emucell_session_create(sine, &options, &session), EMUCELL_UNSUPPORTED, "operator Sin");
    CHECK(session == NULL);
    emucell_surrogate_destroy(&sine);
}

static void what_is_not_there_is_unsupported(const char *path)
{
    emucell_surrogate *network = load(path);
    emucell_session *session = NULL;
    emucell_session_options options = options_for(EMUCELL_BACKEND_ONNXRUNTIME);
    options.device = "cuda";
    CHECK_FAILS(emucell_session_create(network, &options, &session), EMUCELL_UNSUPPORTED, "CUDA provider");
    options.backend = EMUCELL_BACKEND_TENSORRT;
    options.engine_cache_folder = "no such folder is made";
    CHECK_FAILS(emucell_session_create(network, &options, &session), EMUCELL_UNSUPPORTED, "TensorRT provider");
    options.device = "cpu";
    CHECK_FAILS(emucell_session_create(network, &options, &session), EMUCELL_UNSUPPORTED, "TensorRT on the CPU");

    options = options_for(EMUCELL_BACKEND_ONNXRUNTIME);
    options.onnxruntime_library = "no/such/library.so";
    CHECK_FAILS(emucell_session_create(network, &options, &session), EMUCELL_UNSUPPORTED, "no/such/library.so");
    // One library a process, and one is at work already.
    options.onnxruntime_library = path;
    CHECK_FAILS(emucell_session_create(network, &options, &session), EMUCELL_UNSUPPORTED, "this process uses");
    options.onnxruntime_library = "not \xff UTF-8";
    CHECK_FAILS(emucell_session_create(network, &options, &session), EMUCELL_INVALID_ARGUMENT, "UTF-8");
    // None named: the one at work.
    options.onnxruntime_library = NULL;
    CHECK_OK(emucell_session_create(network, &options, &session));
    emucell_session_destroy(&session);
    emucell_surrogate_destroy(&network);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    library = argv[1];
    evaluations_agree(argv[3]);
    steps_agree(argv[2]);
    a_graph_runs_by_itself(argv[4]);
    what_is_not_there_is_unsupported(argv[3]);
    return failures != 0;
}
