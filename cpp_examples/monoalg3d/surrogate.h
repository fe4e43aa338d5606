/* A surrogate file and its sessions, one for each thread of the simulator. */
#ifndef EMUCELL_MONOALG3D_SURROGATE_H
#define EMUCELL_MONOALG3D_SURROGATE_H

#include <emucell.h>

#include "settings.h"

struct surrogate {
    const char *path;
    emucell_surrogate *handle;
    uint32_t kind;
    double dt; /* ms; 0 for a solution map, which takes any */
    uint32_t n_states;
    bool has_stimulus;
    uint32_t n_parameters;
    double *parameters;
    int n_sessions;
    emucell_session **sessions;
    struct on_gpu *gpu; /* NULL where cells are in the processor's memory */
};

/* Some cells of a call of the simulator's. */
struct cells {
    real *sv;              /* rows x states; on a GPU states x rows */
    size_t pitch;          /* on a GPU: bytes from a state to the next */
    size_t n_rows;         /* rows of sv */
    const uint32_t *index; /* row of each cell, or NULL for all in order */
    const real *stimulus;  /* of each cell */
    size_t n;
};

/* Loads the surrogate that the settings name and checks that cells can be stepped with it; ends the run if not. */
struct surrogate surrogate_open(const struct settings *settings);

/* Makes a session for each thread, for calls of up to capacity cells; fallback and data[thread] as in
 * emucell_session_options, for EMUCELL_GUARD_FALLBACK; NULL for the surrogate's own cell model. */
void surrogate_prepare(struct surrogate *surrogate, uint32_t guard, size_t capacity, emucell_fallback fallback,
                       void *const *data);

/* Makes the one session for cells in the memory of the simulator's GPU. */
void surrogate_prepare_gpu(struct surrogate *surrogate, uint32_t guard, size_t capacity);

/* How many times the surrogate is to be applied for n_steps steps of dt; ends the run if no number fits. */
uint32_t surrogate_applications(const struct surrogate *surrogate, double dt, uint32_t n_steps);

/* The state in which cells start, n_states numbers; false if the file tells none. */
bool surrogate_initial_state(const struct surrogate *surrogate, double *state);

/* Applies the surrogate n_times to cells, in place; ends the run on a failure. */
void surrogate_advance(struct surrogate *surrogate, const struct cells *cells, double dt, uint32_t n_times);

/* Name of state i. */
const char *surrogate_state_name(const struct surrogate *surrogate, uint32_t i);

/* What all sessions counted; on a GPU it waits for what was queued. */
emucell_counters surrogate_counters(struct surrogate *surrogate);

void surrogate_close(struct surrogate *surrogate);

#endif
