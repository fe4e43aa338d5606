// Derivatives through the C API: their description, their numbers against finite differences, and
// an implicit step and a steady state computed by Newton's method with the Jacobian.
//
// Arguments: fhn_euler_coarse.onnx formula_network.onnx

#include "check.h"
#include "expected.h"

static emucell_surrogate *load(const char *path)
{
    emucell_surrogate *surrogate = NULL;
    CHECK_OK(emucell_surrogate_load(path, &surrogate));
    if (!surrogate)
        exit(1);
    return surrogate;
}

// A session of a derivative; only the session is needed further on.
static emucell_session *session_of(const emucell_surrogate *surrogate, uint32_t kind)
{
    emucell_surrogate *derivative = NULL;
    CHECK_OK(emucell_surrogate_derivative(surrogate, kind, &derivative));
    emucell_session *session = NULL;
    CHECK_OK(emucell_session_create(derivative, NULL, &session));
    emucell_surrogate_destroy(&derivative);
    if (!session)
        exit(1);
    return session;
}

// One cell.
static void evaluate(emucell_session *session, double *x, uint32_t n_inputs, double *y, uint32_t n_outputs)
{
    emucell_view inputs = emucell_view_of_structures(x, EMUCELL_F64, 1, n_inputs);
    emucell_view outputs = emucell_view_of_structures(y, EMUCELL_F64, 1, n_outputs);
    CHECK_OK(emucell_evaluate(session, 1, &inputs, &outputs));
}

static void description(const emucell_surrogate *network)
{
    emucell_surrogate *derivative = NULL;
    CHECK_OK(emucell_surrogate_derivative(network, EMUCELL_JACOBIAN, &derivative));
    uint32_t kind = 0;
    double dt = -1;
    CHECK_OK(emucell_surrogate_kind(derivative, &kind, &dt));
    CHECK(kind == EMUCELL_DERIVATIVE && dt == 0.0);
    CHECK(emucell_surrogate_n_inputs(derivative) == 3 && emucell_surrogate_n_outputs(derivative) == 8);
    emucell_variable v;
    CHECK_OK(emucell_surrogate_input(derivative, 0, &v));
    CHECK(strcmp(v.name, "t") == 0 && v.role == EMUCELL_TIME && v.has_range == 1 && v.range_high == 25.0);
    CHECK_OK(emucell_surrogate_output(derivative, 2, &v));
    CHECK(strcmp(v.name, "d u/d t") == 0 && strcmp(v.unit, "1/ms") == 0 && v.has_range == 0);
    CHECK_OK(emucell_surrogate_output(derivative, 7, &v));
    CHECK(strcmp(v.name, "d w/d w") == 0 && strcmp(v.unit, "1") == 0);

    emucell_surrogate *again = derivative;
    CHECK_FAILS(emucell_surrogate_derivative(derivative, EMUCELL_JACOBIAN, &again), EMUCELL_UNSUPPORTED,
                "derivative of a derivative");
    CHECK(again == NULL);
    again = derivative;
    CHECK_FAILS(emucell_surrogate_derivative(network, 4, &again), EMUCELL_INVALID_ARGUMENT, "EMUCELL_JACOBIAN");
    CHECK(again == NULL);
    CHECK_FAILS(emucell_surrogate_derivative(NULL, 1, &again), EMUCELL_INVALID_ARGUMENT, "surrogate is NULL");
    CHECK_FAILS(emucell_surrogate_derivative(network, 1, NULL), EMUCELL_INVALID_ARGUMENT, "out is NULL");

    emucell_session *session = NULL;
    CHECK_OK(emucell_session_create(derivative, NULL, &session));
    double state[8] = {0};
    emucell_cells cells;
    CHECK_OK(emucell_cells_init(&cells));
    cells.n_cells = cells.n_rows = 1;
    cells.state = emucell_view_of_structures(state, EMUCELL_F64, 1, 8);
    CHECK_FAILS(emucell_step(session, &cells, 0.1, 1), EMUCELL_INVALID_ARGUMENT, "does not step");
    emucell_session_destroy(&session);
    emucell_surrogate_destroy(&derivative);
}

// All three kinds against central differences of what the network is in double precision.
static void network_derivatives(const emucell_surrogate *network)
{
    emucell_session *jacobian = session_of(network, EMUCELL_JACOBIAN);
    emucell_session *forward = session_of(network, EMUCELL_JACOBIAN_VECTOR);
    emucell_session *reverse = session_of(network, EMUCELL_VECTOR_JACOBIAN);
    for (int cell = 0; cell < 20; cell++) {
        double x[6] = {0.1 * cell, 0.04 * cell - 0.1, 0.1 - 0.004 * cell, 0.3, -2.0, 1.5};
        double exact[6], y[8], found[5];
        for (int j = 0; j < 3; j++) {
            double high[3], low[3], y_high[2], y_low[2];
            memcpy(high, x, sizeof high);
            memcpy(low, x, sizeof low);
            high[j] += 1e-5;
            low[j] -= 1e-5;
            formula_network(high, y_high);
            formula_network(low, y_low);
            for (int i = 0; i < 2; i++)
                exact[3 * i + j] = (y_high[i] - y_low[i]) / 2e-5;
        }
        evaluate(jacobian, x, 3, y, 8);
        for (int k = 0; k < 6; k++)
            CHECK_CLOSE(y[2 + k], exact[k], 2e-6);
        formula_network(x, found);
        CHECK_CLOSE(y[0], found[0], 2e-6);
        CHECK_CLOSE(y[1], found[1], 2e-6);

        evaluate(forward, x, 6, found, 4);
        CHECK(found[0] == y[0] && found[1] == y[1]);
        for (int i = 0; i < 2; i++) {
            const double *row = exact + 3 * i;
            CHECK_CLOSE(found[2 + i], row[0] * x[3] + row[1] * x[4] + row[2] * x[5], 1e-5);
        }
        evaluate(reverse, x, 5, found, 5);
        for (int j = 0; j < 3; j++)
            CHECK_CLOSE(found[2 + j], exact[j] * x[3] + exact[3 + j] * x[4], 1e-5);
    }
    emucell_session_destroy(&jacobian);
    emucell_session_destroy(&forward);
    emucell_session_destroy(&reverse);
}

// Solves the two equations (a b; c d) x = r in place.
static void solve(double a, double b, double c, double d, double r[2])
{
    double determinant = a * d - b * c;
    double first = (r[0] * d - b * r[1]) / determinant;
    r[1] = (a * r[1] - c * r[0]) / determinant;
    r[0] = first;
}

enum { U, W };

static double rate(int state, const double x[2], double s)
{
    return state == U ? 10.0 * (x[U] * (x[U] - 0.4) * (1.0 - x[U]) - x[W] + s) : 0.04 * x[U] - 0.16 * x[W];
}

// One backward Euler step of length h, x = x0 + h f(x), of the equations that the step map stands
// for: its change over its own step of 0.1 ms is 0.1 f(x). Newton's matrix comes with the value.
static void implicit_step(emucell_session *jacobian, double x0[2], double s, double h)
{
    double x[3] = {x0[U], x0[W], s}, y[8];
    int n_iterations = 0;
    double size = 1;
    // Rounding, times 50 steps and the condition of the matrix, is a few millionths.
    for (; n_iterations < 20 && size > 2e-5; n_iterations++) {
        evaluate(jacobian, x, 3, y, 8);
        const double *du = y + 2, *dw = y + 5, scale = h / 0.1;
        CHECK_CLOSE(du[U], 1 + 2.8 * x[U] - 3 * x[U] * x[U] - 0.4, 1e-5);
        CHECK_CLOSE(du[W], -1, 1e-6);
        CHECK_CLOSE(du[2], 1, 1e-6);
        CHECK_CLOSE(dw[U], 0.004, 1e-6);
        CHECK_CLOSE(dw[W], 1 - 0.016, 1e-6);
        double r[2] = {x[U] - x0[U] - scale * (y[U] - x[U]), x[W] - x0[W] - scale * (y[W] - x[W])};
        solve(1 - scale * (du[U] - 1), -scale * du[W], -scale * dw[U], 1 - scale * (dw[W] - 1), r);
        x[U] -= r[U];
        x[W] -= r[W];
        size = fabs(r[U]) + fabs(r[W]);
    }
    CHECK(n_iterations <= 6);
    for (int state = U; state <= W; state++)
        CHECK_CLOSE(x[state], x0[state] + h * rate(state, x, s), 1e-5 * (1 + 10 * h));
    x0[U] = x[U];
    x0[W] = x[W];
}

static void implicit_solver(const emucell_surrogate *step_map)
{
    emucell_session *jacobian = session_of(step_map, EMUCELL_JACOBIAN);
    // Steps of 5 ms, which forward Euler would not survive, to the resting state.
    double x[2] = {0.1, 0.02};
    for (int step = 0; step < 60; step++)
        implicit_step(jacobian, x, 0.0, 5.0);
    CHECK_CLOSE(x[U], 0.0, 1e-4);
    CHECK_CLOSE(x[W], 0.0, 1e-4);
    // A stimulus moves it: w = u / 4, u (u - 0.4)(1 - u) - u / 4 + s = 0.
    for (int step = 0; step < 60; step++)
        implicit_step(jacobian, x, 0.05, 5.0);
    CHECK_CLOSE(rate(U, x, 0.05), 0.0, 1e-4);
    CHECK_CLOSE(x[W], x[U] / 4, 1e-4);
    CHECK(x[U] > 0.05);
    emucell_session_destroy(&jacobian);
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    emucell_surrogate *step_map = load(argv[1]), *network = load(argv[2]);
    description(network);
    network_derivatives(network);
    implicit_solver(step_map);
    emucell_surrogate_destroy(&step_map);
    emucell_surrogate_destroy(&network);
    return failures != 0;
}
