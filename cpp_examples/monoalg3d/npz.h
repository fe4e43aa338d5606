/* A table of numbers as the .npz file that `emucell train` takes. */
#ifndef EMUCELL_MONOALG3D_NPZ_H
#define EMUCELL_MONOALG3D_NPZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct npz;

/* Begins a file beside path, which gets its name in npz_finish(); NULL if the system refuses. */
struct npz *npz_begin(const char *path);

/* An array of doubles, n_rows x n_columns, row by row. */
void npz_array(struct npz *npz, const char *name, const double *numbers, size_t n_rows, size_t n_columns);

/* A text, for example metadata.json. */
void npz_text(struct npz *npz, const char *name, const char *text);

/* Gives up: nothing is left of the file. */
void npz_abandon(struct npz *npz);

/* Completes the file; false if it could not be written, and then there is none. */
bool npz_finish(struct npz *npz);

#endif
