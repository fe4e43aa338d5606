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

/* Number i of n, evenly spread over the range of v. */
static double spread(const emucell_variable *v, double i, double n)
{
    const double low = v->has_range ? v->range_low : 0.0, high = v->has_range ? v->range_high : 1.0;
    return low + (high - low) * i / n;
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
    double *inputs = malloc(N_CELLS * n_inputs * sizeof *inputs);
    double *outputs = malloc(N_CELLS * N_TIMES * n_outputs * sizeof *outputs);
    if (!inputs || !outputs)
        return 1;

    /* The cells' inputs, one array after the other; the time is the same for all cells. */
    emucell_variable v;
    double times[N_TIMES];
    size_t n_of_cell = 0;
    for (size_t j = 0; j < n_inputs; j++) {
        check(emucell_surrogate_input(surrogate, j, &v));
        print_variable("input", &v);
        if (v.role == EMUCELL_TIME) {
            for (int k = 0; k < N_TIMES; k++)
                times[k] = spread(&v, k, N_TIMES - 1);
            continue;
        }
        for (int i = 0; i < N_CELLS; i++)
            inputs[n_of_cell * N_CELLS + (size_t)i] = spread(&v, i + 1, N_CELLS + 1);
        n_of_cell++;
    }
    for (size_t j = 0; j < n_outputs; j++) {
        check(emucell_surrogate_output(surrogate, j, &v));
        print_variable("output", &v);
    }

    /* All times of a cell lie side by side. A map without a time as input gives one result. */
    const int has_time = n_of_cell < n_inputs;
    const size_t n_times = has_time ? N_TIMES : 1;
    emucell_session *session = NULL;
    check(emucell_session_create(surrogate, NULL, &session));
    const emucell_view in = emucell_view_of_arrays(inputs, EMUCELL_F64, N_CELLS, (uint32_t)n_of_cell, N_CELLS);
    const emucell_view out =
        emucell_view_of_structures(outputs, EMUCELL_F64, N_CELLS, (uint32_t)(n_times * n_outputs));
    if (has_time)
        check(emucell_evaluate_times(session, N_CELLS, n_of_cell ? &in : NULL, times, n_times, &out));
    else
        check(emucell_evaluate(session, N_CELLS, &in, &out));

    for (size_t i = 0; i < N_CELLS; i++) {
        printf("\ncell %d:", (int)i);
        for (size_t j = 0; j < n_of_cell; j++)
            printf("%10.4g", inputs[j * N_CELLS + i]);
        for (size_t k = 0; k < n_times; k++) {
            printf("\n");
            if (has_time)
                printf("%10.4g ->", times[k]);
            for (size_t j = 0; j < n_outputs; j++)
                printf("%12.6f", outputs[(i * n_times + k) * n_outputs + j]);
        }
        printf("\n");
    }

    free(inputs);
    free(outputs);
    emucell_session_destroy(&session);
    emucell_surrogate_destroy(&surrogate);
    return 0;
}
