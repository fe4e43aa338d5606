#include "shadow.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "messages.h"

/* Errors of one state. */
struct errors {
    double square_sum;
    double largest;
    double lowest, highest; /* of the original, to judge the errors by */
    uint32_t row;           /* where and when the largest was */
    double time;
};

struct shadow {
    uint32_t n_states;
    size_t n_rows;
    real *states; /* before the step, then the surrogate's */
    struct errors *errors;
    double n_compared, n_not_finite;
};

struct shadow *shadow_open(uint32_t n_states, size_t n_rows)
{
    struct shadow *s = calloc(1, sizeof *s);
    if (s != NULL) *s = (struct shadow){.n_states = n_states, .n_rows = n_rows};
    if (s != NULL) s->states = calloc(n_rows * n_states, sizeof(real));
    if (s != NULL) s->errors = calloc(n_states, sizeof *s->errors);
    if (s == NULL || s->states == NULL || s->errors == NULL) stop("no memory to keep the states of %zu cells", n_rows);
    for (uint32_t j = 0; j < n_states; ++j) {
        s->errors[j].lowest = INFINITY;
        s->errors[j].highest = -INFINITY;
    }
    return s;
}

void shadow_begin(struct shadow *s, const real *sv)
{
    memcpy(s->states, sv, s->n_rows * s->n_states * sizeof(real));
}

static void compare(struct shadow *s, uint32_t row, uint32_t state, double surrogate, double original, double time)
{
    struct errors *e = &s->errors[state];
    const double error = fabs(surrogate - original);
    if (!isfinite(error)) {
        ++s->n_not_finite;
        return;
    }
    e->square_sum += error * error;
    if (original < e->lowest) e->lowest = original;
    if (original > e->highest) e->highest = original;
    if (error > e->largest) {
        e->largest = error;
        e->row = row;
        e->time = time;
    }
}

void shadow_end(struct shadow *s, struct surrogate *surrogate, const struct cells *cells, double current_t, double dt,
                uint32_t n_times)
{
    struct cells beside = *cells;
    beside.sv = s->states;
    surrogate_advance(surrogate, &beside, dt, n_times);
    for (size_t i = 0; i < cells->n; ++i) {
        const uint32_t row = cells->index ? cells->index[i] : (uint32_t)i;
        const real *theirs = cells->sv + (size_t)row * s->n_states, *ours = s->states + (size_t)row * s->n_states;
        for (uint32_t j = 0; j < s->n_states; ++j) compare(s, row, j, ours[j], theirs[j], current_t);
    }
    s->n_compared += (double)cells->n;
}

void shadow_report(const struct shadow *s, const struct surrogate *surrogate)
{
    say("shadow: errors of single steps of %s, of %.0f cells and steps:", surrogate->path, s->n_compared);
    say("%-16s %12s %12s %12s %12s %10s %10s", "state", "RMS", "largest", "lowest", "highest", "worst cell", "at ms");
    for (uint32_t j = 0; j < s->n_states && s->n_compared > 0; ++j) {
        const struct errors *e = &s->errors[j];
        say("%-16s %12.3e %12.3e %12.5g %12.5g %10u %10.3f", surrogate_state_name(surrogate, j),
            sqrt(e->square_sum / s->n_compared), e->largest, e->lowest, e->highest, e->row, e->time);
    }
    if (s->n_not_finite > 0) warn("shadow: %.0f numbers were NaN or infinite and are not in these errors", s->n_not_finite);
}

void shadow_close(struct shadow *s)
{
    if (s == NULL) return;
    free(s->states);
    free(s->errors);
    free(s);
}
