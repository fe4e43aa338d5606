/* What the plug-in calls of the CUDA runtime, declared here so that it is compiled where there is none;
 * tests/monoalg3d/cuda_headers.c compares with NVIDIA's declarations. */
#ifndef EMUCELL_MONOALG3D_CUDA_FUNCTIONS_H
#define EMUCELL_MONOALG3D_CUDA_FUNCTIONS_H

#include <stddef.h>

typedef unsigned int cuda_error; /* 0 is success */

enum { CUDA_HOST_TO_DEVICE = 1 };

struct cuda_functions {
    const char *(*get_error_string)(cuda_error);
    cuda_error (*get_device)(int *number);
    cuda_error (*malloc)(void **memory, size_t size);
    cuda_error (*malloc_pitch)(void **memory, size_t *pitch, size_t width, size_t height);
    cuda_error (*free)(void *memory);
    cuda_error (*memcpy)(void *to, const void *from, size_t size, unsigned int kind);
    cuda_error (*memcpy_2d)(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t height,
                            unsigned int kind);
};

#endif
