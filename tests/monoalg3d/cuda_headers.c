/* The plug-in's declarations of CUDA's runtime beside NVIDIA's own: compiled where the headers are, never run. An
 * enumeration is passed as the unsigned number that the compiler takes for it. */
#include <cuda_runtime_api.h>

#include "../../cpp_examples/monoalg3d/cuda_functions.h"

const struct cuda_functions functions = {
    .get_error_string = cudaGetErrorString,
    .get_device = cudaGetDevice,
    .malloc = cudaMalloc,
    .malloc_pitch = cudaMallocPitch,
    .free = cudaFree,
    .memcpy = cudaMemcpy,
    .memcpy_2d = cudaMemcpy2D,
};

_Static_assert(cudaSuccess == 0, "0 is success");
_Static_assert((int)cudaMemcpyHostToDevice == (int)CUDA_HOST_TO_DEVICE, "the kind of a copy");
