#include "gpu.h"

#include <dlfcn.h>
#include <stdlib.h>

#include "cuda_functions.h"
#include "messages.h"

/* A function of the runtime that the simulator brought into the process. */
static void find(const char *name, void *function)
{
    void *found = dlsym(RTLD_DEFAULT, name);
    if (found == NULL)
        stop("use_gpu = yes in [ode_solver]: this simulator is linked with no CUDA runtime (libcudart.so has %s); build it "
             "with CUDA, or set use_gpu = no",
             name);
    /* ISO C has no other way from a data pointer to a function. */
    *(void **)function = found;
}

static const struct cuda_functions *cuda(void)
{
    static struct cuda_functions functions;
    static bool are_known;
    if (!are_known) {
        find("cudaGetErrorString", &functions.get_error_string);
        find("cudaGetDevice", &functions.get_device);
        find("cudaMalloc", &functions.malloc);
        find("cudaMallocPitch", &functions.malloc_pitch);
        find("cudaFree", &functions.free);
        find("cudaMemcpy", &functions.memcpy);
        find("cudaMemcpy2D", &functions.memcpy_2d);
        are_known = true;
    }
    return &functions;
}

static void check(cuda_error error, const char *what)
{
    if (error != 0) stop("use_gpu = yes in [ode_solver]: %s: %s", what, cuda()->get_error_string(error));
}

int gpu_number(void)
{
    int number = 0;
    check(cuda()->get_device(&number), "asking which GPU is used");
    return number;
}

void *gpu_allocate(size_t size)
{
    void *memory = NULL;
    if (size > 0) check(cuda()->malloc(&memory, size), "reserving memory of the GPU");
    return memory;
}

void gpu_free(void *memory)
{
    /* At the end of the program the runtime may be gone already, and the memory with it. */
    if (memory != NULL) (void)cuda()->free(memory);
}

void gpu_write(void *to, const void *from, size_t size)
{
    if (size > 0) check(cuda()->memcpy(to, from, size, CUDA_HOST_TO_DEVICE), "copying to the GPU");
}

real *gpu_allocate_states(size_t n_cells, uint32_t n_states, size_t *pitch)
{
    void *memory = NULL;
    check(cuda()->malloc_pitch(&memory, pitch, n_cells * sizeof(real), n_states), "reserving memory for the states");
    return memory;
}

void gpu_fill_states(real *to, size_t pitch, const double *state, size_t n_cells, uint32_t n_states)
{
    real *states = malloc(n_cells * n_states * sizeof *states);
    if (states == NULL) stop("no memory for the states of %zu cells", n_cells);
    for (uint32_t j = 0; j < n_states; ++j)
        for (size_t i = 0; i < n_cells; ++i) states[j * n_cells + i] = (real)state[j];
    const size_t width = n_cells * sizeof(real);
    check(cuda()->memcpy_2d(to, pitch, states, width, width, n_states, CUDA_HOST_TO_DEVICE), "copying states to the GPU");
    free(states);
}
