/* Samples of what the original does in the tissue, for `emucell train`.
 *
 * Most steps of most cells are rest and plateau. So steps are sorted into strata by V and by dV/dt, and each stratum keeps
 * the same number of steps, drawn evenly from all that fell into it. */
#ifndef EMUCELL_MONOALG3D_RECORD_H
#define EMUCELL_MONOALG3D_RECORD_H

#include "original.h"
#include "surrogate.h"

struct record;

/* sv has the states in which cells start, n_rows of them. */
struct record *record_open(const struct settings *settings, const struct original *original, const real *sv,
                           size_t n_rows);

/* Keeps the states before a step, if it is one that is sampled. */
void record_begin(struct record *record, const real *sv);

/* Samples what the original made of them in dt. */
void record_end(struct record *record, const struct cells *cells, double dt);

/* Writes the samples into the file that the settings name; ends the run if that fails. */
void record_write(const struct record *record);

void record_close(struct record *record);

#endif
