/* Steps of cells whose states are in the memory of the simulator's GPU: a kernel is queued for each call, and nothing is
 * copied but a stimulus that is not zero and a list of cells that has changed. */
#ifndef EMUCELL_MONOALG3D_ON_GPU_H
#define EMUCELL_MONOALG3D_ON_GPU_H

#include "surrogate.h"

struct on_gpu;

/* Makes *session on the GPU that the simulator chose, and what it needs there from step to step. */
struct on_gpu *on_gpu_open(const struct surrogate *surrogate, uint32_t guard, size_t capacity,
                           emucell_session **session);

/* Queues n_times steps of dt for cells, whose states are pitched rows of the GPU's; index and stimulus are the
 * processor's. */
void on_gpu_advance(struct on_gpu *gpu, struct surrogate *surrogate, const struct cells *cells, double dt,
                    uint32_t n_times);

void on_gpu_close(struct on_gpu *gpu);

#endif
