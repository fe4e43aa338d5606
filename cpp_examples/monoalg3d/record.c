#include "record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "messages.h"
#include "npz.h"

/* Strata: V in equal parts of its range and one part beyond either end; dV/dt, in ranges of V per ms, in powers of ten of
 * either sign. */
enum { V_PARTS = 18, RATE_EDGES = 5, RATE_PARTS = 2 * RATE_EDGES + 1, STRATA = V_PARTS * RATE_PARTS };
static const double rate_edges[RATE_EDGES] = {1e-4, 1e-3, 1e-2, 1e-1, 1.0};

/* A model in mV rests below any dimensionless potential. */
static const double millivolts[2] = {-100.0, 60.0}, dimensionless[2] = {-0.1, 1.5};

struct stratum {
    uint64_t n_seen;
    size_t n, capacity;
    double *rows; /* states, stimulus, next states */
};

struct record {
    const char *path, *original;
    char **names;
    uint32_t n_states;
    size_t n_rows, per_stratum, every, n_steps;
    bool samples_this;
    double range[2], dt;
    double *initial_state; /* of the first cell: cells of one model start alike */
    uint64_t random;
    real *before;
    struct stratum strata[STRATA];
};

static void *allocate(size_t n, size_t size)
{
    void *memory = calloc(n ? n : 1, size);
    if (memory == NULL) stop("no memory for %zu numbers", n);
    return memory;
}

/* xorshift64*: Vigna, ACM Trans. Math. Softw. 42 (2016). A number below n. */
static uint64_t below(struct record *r, uint64_t n)
{
    r->random ^= r->random >> 12;
    r->random ^= r->random << 25;
    r->random ^= r->random >> 27;
    return (uint64_t)(((unsigned __int128)(r->random * 0x2545F4914F6CDD1Dull) * n) >> 64);
}

/* Names of the columns: states, then the stimulus. */
static void read_names(struct record *r, const struct settings *settings)
{
    r->names = allocate(r->n_states + 1, sizeof *r->names);
    uint32_t n = 0;
    char *text = strdup(settings->names ? settings->names : ""), *rest = text;
    for (char *name; (name = strtok_r(rest, ", ", &rest)) != NULL; ++n)
        if (n < r->n_states) r->names[n] = strdup(name);
    free(text);
    if (settings->names != NULL && n != r->n_states)
        stop("emucell_record_states = %s: %u names, and %s has %u states", settings->names, n, settings->original,
             r->n_states);
    for (uint32_t j = 0; settings->names == NULL && j < r->n_states; ++j) {
        char name[16];
        snprintf(name, sizeof name, j == 0 ? "V" : "x%u", j);
        r->names[j] = strdup(name);
    }
    r->names[r->n_states] = strdup(settings->stimulus_name);
    for (uint32_t j = 0; j <= r->n_states; ++j) {
        const char *name = r->names[j];
        if (name == NULL || strpbrk(name, "\"\\") != NULL) stop("emucell_record_states: give plain names");
        for (uint32_t i = 0; i < j; ++i)
            if (strcmp(name, r->names[i]) == 0) stop("emucell_record_states: the name %s comes twice", name);
    }
}

struct record *record_open(const struct settings *settings, const struct original *original, const real *sv,
                           size_t n_rows)
{
    struct record *r = allocate(1, sizeof *r);
    r->path = settings->record;
    r->original = original->path;
    r->n_states = original->n_states;
    r->n_rows = n_rows;
    r->per_stratum = settings->per_stratum;
    r->every = settings->record_every;
    r->random = settings->seed * 0x9E3779B97F4A7C15ull + 1;
    const double *range = original->initial_v < -10 ? millivolts : dimensionless;
    memcpy(r->range, settings->has_range ? settings->range : range, sizeof r->range);
    r->before = allocate(n_rows * r->n_states, sizeof(real));
    r->initial_state = allocate(r->n_states, sizeof *r->initial_state);
    for (uint32_t j = 0; j < r->n_states && n_rows > 0; ++j) r->initial_state[j] = (double)sv[j];
    read_names(r, settings);
    /* Hours of a simulation end with this file: that it can be written is to be known before. */
    struct npz *npz = npz_begin(r->path);
    if (npz == NULL) stop("emucell_record = %s: this file cannot be written", r->path);
    npz_abandon(npz);
    return r;
}

void record_begin(struct record *r, const real *sv)
{
    r->samples_this = r->n_steps++ % r->every == 0;
    if (r->samples_this) memcpy(r->before, sv, r->n_rows * r->n_states * sizeof(real));
}

static struct stratum *stratum_of(struct record *r, double v, double rate)
{
    const double position = (v - r->range[0]) / (r->range[1] - r->range[0]) * (V_PARTS - 2);
    const int v_part = position < 0 ? 0 : position >= V_PARTS - 2 ? V_PARTS - 1 : 1 + (int)position;
    int rate_part = 0;
    while (rate_part < RATE_EDGES && fabs(rate) >= rate_edges[rate_part]) ++rate_part;
    return &r->strata[v_part * RATE_PARTS + RATE_EDGES + (rate < 0 ? -rate_part : rate_part)];
}

/* The row of a stratum that a step just seen takes, or NULL (Vitter's algorithm R: all seen have the same chance). */
static double *place(struct record *r, struct stratum *s)
{
    const size_t width = 2 * (size_t)r->n_states + 1;
    ++s->n_seen;
    if (s->n == r->per_stratum) {
        const uint64_t chosen = below(r, s->n_seen);
        return chosen < s->n ? s->rows + chosen * width : NULL;
    }
    if (s->n == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 64;
        if (s->capacity > r->per_stratum) s->capacity = r->per_stratum;
        s->rows = realloc(s->rows, s->capacity * width * sizeof *s->rows);
        if (s->rows == NULL) stop("emucell_record_per_stratum = %zu: no memory for as many", r->per_stratum);
    }
    return s->rows + s->n++ * width;
}

void record_end(struct record *r, const struct cells *cells, double dt)
{
    r->dt = dt;
    if (!r->samples_this) return;
    const double scale = 1.0 / (dt * (r->range[1] - r->range[0]));
    for (size_t i = 0; i < cells->n; ++i) {
        const size_t row = cells->index ? cells->index[i] : i;
        const real *before = r->before + row * r->n_states, *after = cells->sv + row * r->n_states;
        const double v = (double)before[0], rate = ((double)after[0] - v) * scale;
        if (!isfinite(v) || !isfinite(rate)) continue; /* the run is lost, what was sampled before is not */
        double *sample = place(r, stratum_of(r, v, rate));
        if (sample == NULL) continue;
        for (uint32_t j = 0; j < r->n_states; ++j) {
            sample[j] = (double)before[j];
            sample[r->n_states + 1 + j] = (double)after[j];
        }
        sample[r->n_states] = (double)cells->stimulus[i];
    }
}

/* What `emucell train` wants to know of the two arrays. */
static char *metadata(const struct record *r, size_t n)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) stop("no memory for the description of %s", r->path);
    fprintf(out, "{\n  \"content\": \"emucell table\",\n  \"inputs\": [");
    for (uint32_t j = 0; j <= r->n_states; ++j) fprintf(out, "%s\"%s\"", j ? ", " : "", r->names[j]);
    fprintf(out, "],\n  \"targets\": [");
    for (uint32_t j = 0; j < r->n_states; ++j) fprintf(out, "%s\"%s_next\"", j ? ", " : "", r->names[j]);
    const char *slash = strrchr(r->original, '/');
    fprintf(out, "],\n  \"provenance\": {\"recorded_from\": \"%s\", \"dt\": %.9g, \"steps\": %zu, \"rows\": %zu,\n"
                 "    \"initial_state\": [",
            slash ? slash + 1 : r->original, r->dt, r->n_steps, n);
    for (uint32_t j = 0; j < r->n_states; ++j) fprintf(out, "%s%.17g", j ? ", " : "", r->initial_state[j]);
    fprintf(out, "]}\n}\n");
    fclose(out);
    return text;
}

void record_write(const struct record *r)
{
    const size_t n_inputs = r->n_states + 1, width = n_inputs + r->n_states;
    size_t n = 0, n_strata = 0;
    double n_seen = 0;
    for (size_t k = 0; k < STRATA; ++k) {
        n += r->strata[k].n;
        n_strata += r->strata[k].n > 0;
        n_seen += (double)r->strata[k].n_seen;
    }
    if (n == 0) {
        warn("record: no step was made, and %s was not written", r->path);
        return;
    }
    double *inputs = allocate(n * n_inputs, sizeof *inputs), *targets = allocate(n * r->n_states, sizeof *targets);
    for (size_t k = 0, row = 0; k < STRATA; ++k)
        for (size_t i = 0; i < r->strata[k].n; ++i, ++row) {
            const double *sample = r->strata[k].rows + i * width;
            memcpy(inputs + row * n_inputs, sample, n_inputs * sizeof *inputs);
            memcpy(targets + row * r->n_states, sample + n_inputs, r->n_states * sizeof *targets);
        }
    char *description = metadata(r, n);
    struct npz *npz = npz_begin(r->path);
    if (npz == NULL) stop("emucell_record = %s: this file cannot be written", r->path);
    npz_array(npz, "inputs", inputs, n, n_inputs);
    npz_array(npz, "targets", targets, n, r->n_states);
    npz_text(npz, "metadata.json", description);
    if (!npz_finish(npz)) stop("emucell_record = %s: this file could not be written", r->path);
    say("record: %zu of %.0f steps, from %zu strata, in %s", n, n_seen, n_strata, r->path);
    free(description);
    free(inputs);
    free(targets);
}

void record_close(struct record *r)
{
    if (r == NULL) return;
    for (size_t k = 0; k < STRATA; ++k) free(r->strata[k].rows);
    for (uint32_t j = 0; j <= r->n_states; ++j) free(r->names[j]);
    free(r->names);
    free(r->before);
    free(r->initial_state);
    free(r);
}
