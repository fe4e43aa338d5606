/* Memory of the simulator's GPU, through the CUDA runtime that the simulator itself is linked with: what it frees, copies
 * and restores was reserved by the same library. */
#ifndef EMUCELL_MONOALG3D_GPU_H
#define EMUCELL_MONOALG3D_GPU_H

#include <stdint.h>

#include "simulator.h"

/* Number of the GPU that the simulator chose; ends the run where there is none. */
int gpu_number(void);

/* Reserves size bytes; NULL for none. */
void *gpu_allocate(size_t size);
void gpu_free(void *memory);

void gpu_write(void *to, const void *from, size_t size);

/* States in rows of variables, *pitch bytes from one row to the next. */
real *gpu_allocate_states(size_t n_cells, uint32_t n_states, size_t *pitch);

/* Puts the same state into all cells. */
void gpu_fill_states(real *to, size_t pitch, const double *state, size_t n_cells, uint32_t n_states);

#endif
