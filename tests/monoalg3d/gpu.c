/* CUDA's runtime, driver and NVRTC for a machine without a GPU, as far as the simulator's host and emucell call them. The
 * "GPU's" memory is the processor's, but out of reach except while something runs on it; what is queued on a stream runs
 * when somebody waits for it; kernels are compiled for the processor (tests/cuda/emulation.hpp). Each call that a tissue's
 * step could make is a line in the file that GPU_LOG names. It shows that the right things are asked for in the right order,
 * not what a GPU would answer. */
#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, PITCH = 512, MAX_BLOCKS = 3 };

static void note(const char *format, ...)
{
    static FILE *out;
    if (out == NULL) out = fopen(getenv("GPU_LOG") ? getenv("GPU_LOG") : "/dev/null", "w");
    va_list arguments;
    va_start(arguments, format);
    vfprintf(out, format, arguments);
    va_end(arguments);
    fputc('\n', out);
    fflush(out);
}

/* For the host: where a step begins and ends. */
void gpu_mark(const char *text) { note("%s", text); }

/* Memory: an arena that the processor cannot reach between calls. */
enum { ARENA = 1 << 24 };
static unsigned char *arena;
static size_t used, n_allocated;

static void reach(int protection)
{
    if (arena == NULL) arena = mmap(NULL, ARENA, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(arena, ARENA, protection);
}

static int is_gpus(const void *address)
{
    const unsigned char *byte = address;
    return arena != NULL && byte >= arena && byte < arena + ARENA;
}

static unsigned reserve(void **memory, size_t size)
{
    reach(PROT_NONE);
    const size_t begin = (used + 255) / 256 * 256;
    if (begin + size > ARENA) return OUT_OF_MEMORY;
    *memory = arena + begin;
    used = begin + size;
    ++n_allocated;
    reach(PROT_READ | PROT_WRITE);
    memset(*memory, 0xA5, size);
    reach(PROT_NONE);
    return SUCCESS;
}

/* What was queued and has not run yet. */
struct work {
    void (*run)(struct work *);
    void *to;
    const void *from;
    size_t size;
    int value;
    void (*entry)(unsigned, unsigned, size_t, const void *);
    unsigned blocks, threads;
    unsigned char job[4096];
    struct work *next;
};
static struct work *first, **last = &first;
static int waits_for_default_stream = 1;

static void queue(struct work work)
{
    struct work *copy = malloc(sizeof *copy);
    *copy = work;
    copy->next = NULL;
    *last = copy;
    last = &copy->next;
}

static void wait_for_all(void)
{
    reach(PROT_READ | PROT_WRITE);
    while (first != NULL) {
        struct work *one = first;
        one->run(one);
        first = one->next;
        free(one);
    }
    last = &first;
    reach(PROT_NONE);
}

static void run_copy(struct work *w) { memcpy(w->to, w->from, w->size); }
static void run_set(struct work *w) { memset(w->to, w->value, w->size); }
static void run_kernel(struct work *w) { w->entry(w->blocks, w->threads, w->size, w->job); }

/* The runtime, as the simulator and stock models use it: on the default stream, which waits for other streams unless they
 * were made not to. */
static unsigned synchronous(const char *what, size_t bytes)
{
    note("%s %zu", what, bytes);
    if (waits_for_default_stream) wait_for_all();
    return SUCCESS;
}

const char *cudaGetErrorString(unsigned error) { return error == OUT_OF_MEMORY ? "out of memory" : "an error"; }
unsigned cudaGetDevice(int *number) { return *number = 0, SUCCESS; }

unsigned cudaMalloc(void **memory, size_t size)
{
    note("cudaMalloc %zu", size);
    return reserve(memory, size);
}

unsigned cudaMallocPitch(void **memory, size_t *pitch, size_t width, size_t height)
{
    note("cudaMallocPitch %zu %zu", width, height);
    *pitch = (width + PITCH - 1) / PITCH * PITCH;
    return reserve(memory, *pitch * height);
}

unsigned cudaFree(void *memory)
{
    synchronous("cudaFree", 0);
    if (memory == NULL) return SUCCESS;
    if (!is_gpus(memory)) return INVALID_VALUE;
    --n_allocated;
    return SUCCESS;
}

unsigned cudaMemcpy2D(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t height,
                      unsigned kind)
{
    static const int to_is_gpus[] = {0, 1, 0, 1}, from_is_gpus[] = {0, 0, 1, 1};
    if (kind > 3 || is_gpus(to) != to_is_gpus[kind] || is_gpus(from) != from_is_gpus[kind]) return INVALID_VALUE;
    if (width > to_pitch || width > from_pitch) return INVALID_VALUE;
    synchronous("cudaMemcpy", width * height);
    reach(PROT_READ | PROT_WRITE);
    for (size_t j = 0; j < height; ++j)
        memcpy((unsigned char *)to + j * to_pitch, (const unsigned char *)from + j * from_pitch, width);
    reach(PROT_NONE);
    return SUCCESS;
}

unsigned cudaMemcpy(void *to, const void *from, size_t size, unsigned kind)
{
    return cudaMemcpy2D(to, size, from, size, size, 1, kind);
}

/* The driver. Its handles are addresses of these. */
static int context, stream, event;
static void *current;

unsigned cuInit(unsigned flags) { return flags; }
unsigned cuGetErrorName(unsigned error, const char **text) { return (void)error, *text = "CUDA_ERROR", SUCCESS; }
unsigned cuGetErrorString(unsigned error, const char **text) { return *text = cudaGetErrorString(error), SUCCESS; }
unsigned cuDeviceGetCount(int *n) { return *n = 1, SUCCESS; }
unsigned cuDeviceGet(int *device, int number) { return *device = number, SUCCESS; }
unsigned cuDeviceGetName(char *name, int size, int device)
{
    return (void)device, snprintf(name, (size_t)size, "emulated"), SUCCESS;
}
unsigned cuDeviceGetAttribute(int *value, int attribute, int device)
{
    /* Compute capability, its second digit, multiprocessors, bytes of shared memory. */
    *value = attribute == 75 ? 9 : attribute == 76 ? 0 : attribute == 16 ? 2 : attribute == 97 ? 232448 : 0;
    return (void)device, SUCCESS;
}
unsigned cuDevicePrimaryCtxRetain(void **out, int device) { return (void)device, *out = &context, SUCCESS; }
unsigned cuDevicePrimaryCtxRelease_v2(int device) { return (void)device, SUCCESS; }
unsigned cuCtxGetCurrent(void **out) { return *out = current, SUCCESS; }
unsigned cuCtxPushCurrent_v2(void *one) { return current = one, SUCCESS; }
unsigned cuCtxPopCurrent_v2(void **out) { return *out = current, current = NULL, SUCCESS; }
unsigned cuCtxGetDevice(int *device) { return *device = 0, SUCCESS; }
unsigned cuStreamCreate(void **out, unsigned flags)
{
    waits_for_default_stream = flags == 0;
    return *out = &stream, SUCCESS;
}
unsigned cuStreamDestroy_v2(void *one) { return (void)one, wait_for_all(), SUCCESS; }
unsigned cuStreamIsCapturing(void *one, int *status) { return (void)one, *status = 0, SUCCESS; }
unsigned cuStreamSynchronize(void *one)
{
    note("synchronize");
    return (void)one, wait_for_all(), SUCCESS;
}
unsigned cuPointerGetAttributes(unsigned n, const int *attributes, void **data, uint64_t address)
{
    /* 2: the kind of memory, and 2 is a GPU's; others are its number and whether it is managed. */
    for (unsigned i = 0; i < n; ++i) *(int *)data[i] = attributes[i] == 2 && is_gpus((void *)address) ? 2 : 0;
    return SUCCESS;
}
unsigned cuMemAlloc_v2(uint64_t *out, size_t size)
{
    void *memory = NULL;
    note("cuMemAlloc %zu", size);
    const unsigned error = reserve(&memory, size);
    return *out = (uint64_t)memory, error;
}
unsigned cuMemFree_v2(uint64_t memory) { return (void)memory, --n_allocated, SUCCESS; }
unsigned cuMemHostAlloc(void **out, size_t size, unsigned flags)
{
    note("cuMemHostAlloc %zu", size);
    return (void)flags, (*out = aligned_alloc(64, (size + 63) / 64 * 64)) ? SUCCESS : OUT_OF_MEMORY;
}
unsigned cuMemFreeHost(void *memory) { return free(memory), SUCCESS; }
unsigned cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t size)
{
    /* Constants of a kernel are its library's. */
    reach(PROT_READ | PROT_WRITE);
    memcpy((void *)to, from, size);
    return reach(PROT_NONE), SUCCESS;
}
unsigned cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t size, void *on)
{
    note("copy %zu", size);
    queue((struct work){.run = run_copy, .to = (void *)to, .from = from, .size = size});
    return is_gpus((void *)to) && on == &stream ? SUCCESS : INVALID_VALUE;
}
unsigned cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t size, void *on)
{
    note("copy back %zu", size);
    queue((struct work){.run = run_copy, .to = to, .from = (void *)from, .size = size});
    return is_gpus((void *)from) && on == &stream ? SUCCESS : INVALID_VALUE;
}
unsigned cuMemsetD8_v2(uint64_t to, unsigned char value, size_t size)
{
    reach(PROT_READ | PROT_WRITE);
    memset((void *)to, value, size);
    return reach(PROT_NONE), SUCCESS;
}
unsigned cuMemsetD8Async(uint64_t to, unsigned char value, size_t size, void *on)
{
    queue((struct work){.run = run_set, .to = (void *)to, .value = value, .size = size});
    return on == &stream ? SUCCESS : INVALID_VALUE;
}
unsigned cuEventCreate(void **out, unsigned flags) { return (void)flags, *out = &event, SUCCESS; }
unsigned cuEventDestroy_v2(void *one) { return (void)one, SUCCESS; }
unsigned cuEventRecord(void *one, void *on) { return (void)one, on == &stream ? SUCCESS : INVALID_VALUE; }
unsigned cuEventSynchronize(void *one) { return (void)one, wait_for_all(), SUCCESS; }

/* A "compiled kernel" is the path of a library for the processor. */
unsigned cuModuleLoadData(void **out, const void *image)
{
    *out = dlopen(image, RTLD_NOW | RTLD_LOCAL);
    return *out != NULL ? SUCCESS : INVALID_VALUE;
}
unsigned cuModuleUnload(void *module) { return (void)module, wait_for_all(), SUCCESS; }
unsigned cuModuleGetFunction(void **out, void *module, const char *name)
{
    char run[128];
    snprintf(run, sizeof run, "run_%s", name);
    return (*out = dlsym(module, run)) != NULL ? SUCCESS : INVALID_VALUE;
}
unsigned cuModuleGetGlobal_v2(uint64_t *out, size_t *size, void *module, const char *name)
{
    (void)name;
    float *(*constants)(size_t *) = NULL;
    *(void **)&constants = dlsym(module, "constants");
    return *out = (uint64_t)constants(size), SUCCESS;
}
unsigned cuFuncSetAttribute(void *function, int attribute, int value)
{
    return (void)function, (void)attribute, (void)value, SUCCESS;
}
unsigned cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, void *function, int threads, size_t shared)
{
    return (void)function, (void)threads, (void)shared, *blocks = 1, SUCCESS;
}
unsigned cuLaunchKernel(void *function, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned ty, unsigned tz,
                        unsigned shared, void *on, void **arguments, void **extra)
{
    struct work work = {.run = run_kernel, .blocks = x < MAX_BLOCKS ? x : MAX_BLOCKS, .threads = threads, .size = shared};
    size_t (*size_of_job)(void) = NULL;
    *(void **)&work.entry = function;
    /* Each library has jobs of one size. */
    Dl_info library;
    dladdr(function, &library);
    void *handle = dlopen(library.dli_fname, RTLD_NOW | RTLD_NOLOAD);
    *(void **)&size_of_job = dlsym(handle, "size_of_job");
    memcpy(work.job, arguments[0], size_of_job());
    dlclose(handle);
    note("launch");
    queue(work);
    return y * z * ty * tz == 1 && extra == NULL && on == &stream ? SUCCESS : INVALID_VALUE;
}

/* NVRTC: the text without its layer for GPUs, behind the layer for processors. */
struct program {
    char *text, path[4096];
};

unsigned nvrtcVersion(int *major, int *minor) { return *major = 13, *minor = 0, SUCCESS; }
const char *nvrtcGetErrorString(unsigned error) { return (void)error, "the compiler failed"; }
unsigned nvrtcCreateProgram(void **out, const char *text, const char *name, int n, const char *const *a,
                            const char *const *b)
{
    (void)name, (void)n, (void)a, (void)b;
    struct program *p = calloc(1, sizeof *p);
    p->text = strdup(text);
    return *out = p, SUCCESS;
}
unsigned nvrtcCompileProgram(void *program, int n, const char *const *options)
{
    (void)n, (void)options;
    struct program *p = program;
    FILE *in = fopen(DEVICE_LAYER, "rb");
    fseek(in, 0, SEEK_END);
    const size_t layer = (size_t)ftell(in);
    fclose(in);
    uint64_t sum = 14695981039346656037u;
    for (const char *c = p->text; *c; ++c) sum = (sum ^ (unsigned char)*c) * 1099511628211u;
    char base[4000], command[13000];
    snprintf(base, sizeof base, "%s/kernel_%016llx_%d", getenv("EMUCELL_KERNEL_CACHE"), (unsigned long long)sum, (int)getpid());
    snprintf(p->path, sizeof p->path, "%s.so", base);
    snprintf(command, sizeof command, "mkdir -p '%s'", getenv("EMUCELL_KERNEL_CACHE"));
    if (system(command) != 0) return INVALID_VALUE;
    snprintf(command, sizeof command, "%s.cpp", base);
    FILE *out = fopen(command, "wb");
    fprintf(out, "#include \"%s\"\n%s", EMULATION, p->text + layer);
    static const char *const entries[] = {"evaluate", "step", "step_by_increments"};
    fprintf(out, "#define OUT extern \"C\" __attribute__((visibility(\"default\")))\n"
                 "OUT float *constants(std::size_t *size) { *size = sizeof emucell_constants; return emucell_constants; }\n"
                 "OUT std::size_t size_of_job() { return sizeof(evaluate_job); }\n");
    for (int i = 0; i < 3; ++i) {
        char name[64];
        snprintf(name, sizeof name, "emucell_%s(", entries[i]);
        if (strstr(p->text, name) == NULL) continue;
        fprintf(out, "OUT void run_emucell_%s(unsigned grid, unsigned threads, std::size_t shared, const void *job) {\n"
                     "    emulation::launch(grid, threads, shared,\n"
                     "        [&] { emucell_%s(*static_cast<const %s_job *>(job)); });\n}\n",
                entries[i], entries[i], entries[i]);
    }
    fclose(out);
    snprintf(command, sizeof command,
             "g++ -std=c++17 -O1 -fno-strict-aliasing -fvisibility=hidden -fno-gnu-unique -shared -fPIC -o '%s.so' '%s.cpp'",
             base, base);
    return system(command) == 0 ? SUCCESS : INVALID_VALUE;
}
unsigned nvrtcGetProgramLogSize(void *program, size_t *size) { return (void)program, *size = 1, SUCCESS; }
unsigned nvrtcGetProgramLog(void *program, char *log) { return (void)program, *log = '\0', SUCCESS; }
unsigned nvrtcGetCUBINSize(void *program, size_t *size)
{
    return *size = strlen(((struct program *)program)->path) + 1, SUCCESS;
}
unsigned nvrtcGetCUBIN(void *program, char *image) { return strcpy(image, ((struct program *)program)->path), SUCCESS; }
unsigned nvrtcDestroyProgram(void **program)
{
    free(((struct program *)*program)->text);
    return free(*program), SUCCESS;
}

__attribute__((destructor)) static void end(void) { note("left %zu", n_allocated); }
