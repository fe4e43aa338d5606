/* Loads a solution map, tells what it is, and prints the trajectories of a few cells.
 *
 *     01_evaluate SURROGATE.onnx
 */

#include <stdio.h>
#include <stdlib.h>

#include "emucell.h"

enum { N_CELLS = 3, N_TIMES = 6 };

/* Every call that can fail returns a status. */
static void check(emucell_status status)
{
    if (status == EMUCELL_OK)
        return;
    fprintf(stderr, "%s: %s\n", emucell_status_name(status), emucell_last_error_message());
    exit(1);
}

static const char *role_name(uint32_t role)
{
    switch (role) {
    case EMUCELL_TIME: return "time";
    case EMUCELL_STATE: return "state";
    case EMUCELL_STIMULUS: return "stimulus";
    case EMUCELL_PARAMETER: return "parameter";
    default: return "?";
    }
}

static void print_variable(const char *direction, const emucell_variable *v)
{
    printf("%-6s %-8s [%s]  %-9s", direction, v->name, v->unit, role_name(v->role));
    if (v->has_range)
        printf("  %g ... %g", v->range_low, v->range_high);
    printf("\n");
}

/* The value at which input v of a cell is taken: time runs through its range, the rest starts
 * at a quarter, half and three quarters of it. */
static double input_value(const emucell_variable *v, int cell, int time)
{
    const double low = v->has_range ? v->range_low : 0.0, high = v->has_range ? v->range_high : 1.0;
    if (v->role == EMUCELL_TIME)
        return low + (high - low) * time / (N_TIMES - 1);
    return low + (high - low) * (cell + 1) / (N_CELLS + 1);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: 01_evaluate SURROGATE.onnx\n");
        return 2;
    }
    emucell_surrogate *surrogate = NULL;
    check(emucell_surrogate_load(argv[1], &surrogate));
    uint32_t kind = 0;
    check(emucell_surrogate_kind(surrogate, &kind, NULL));
    if (kind != EMUCELL_SOLUTION_MAP) {
        fprintf(stderr, "%s is a step map: see 02_step\n", argv[1]);
        emucell_surrogate_destroy(&surrogate);
        return 1;
    }

    const size_t n_inputs = emucell_surrogate_n_inputs(surrogate);
    const size_t n_outputs = emucell_surrogate_n_outputs(surrogate);
    const size_t n = N_CELLS * N_TIMES;
    double *inputs = malloc(n * n_inputs * sizeof *inputs);
    double *outputs = malloc(n * n_outputs * sizeof *outputs);
    if (!inputs || !outputs)
        return 1;

    /* Array-of-structures: the inputs of one cell at one time lie side by side. */
    emucell_variable v;
    for (size_t j = 0; j < n_inputs; j++) {
        check(emucell_surrogate_input(surrogate, j, &v));
        print_variable("input", &v);
        for (int i = 0; i < (int)n; i++)
            inputs[(size_t)i * n_inputs + j] = input_value(&v, i / N_TIMES, i % N_TIMES);
    }
    for (size_t j = 0; j < n_outputs; j++) {
        check(emucell_surrogate_output(surrogate, j, &v));
        print_variable("output", &v);
    }

    emucell_session *session = NULL;
    check(emucell_session_create(surrogate, NULL, &session));
    const emucell_view in = emucell_view_of_structures(inputs, EMUCELL_F64, n, (uint32_t)n_inputs);
    const emucell_view out = emucell_view_of_structures(outputs, EMUCELL_F64, n, (uint32_t)n_outputs);
    check(emucell_evaluate(session, n, &in, &out));

    for (size_t i = 0; i < n; i++) {
        if (i % N_TIMES == 0)
            printf("\ncell %d\n", (int)(i / N_TIMES));
        for (size_t j = 0; j < n_inputs; j++)
            printf("%10.4g", inputs[i * n_inputs + j]);
        printf("   ->");
        for (size_t j = 0; j < n_outputs; j++)
            printf("%12.6f", outputs[i * n_outputs + j]);
        printf("\n");
    }

    free(inputs);
    free(outputs);
    emucell_session_destroy(&session);
    emucell_surrogate_destroy(&surrogate);
    return 0;
}
