// dlopen() and dlclose(), a thousand times with work in between: nothing leaks, and threads that used
// the library may end after it was closed.
//
// Arguments: libemucell.so fhn_euler_coarse.onnx

#define _GNU_SOURCE

#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>

#include "check.h"
#include "counting_malloc.h"

enum { N_WARM = 100, N_CYCLES = 1000, N_CELLS = 70 };

static const char *library_path, *surrogate_path;

typedef struct library {
    void *handle;
    emucell_status (*options_init)(emucell_session_options *, uint32_t);
    emucell_status (*cells_init)(emucell_cells *, uint32_t);
    emucell_status (*load)(const char *, emucell_surrogate **);
    emucell_status (*create)(const emucell_surrogate *, const emucell_session_options *, emucell_session **);
    emucell_status (*step)(emucell_session *, const emucell_cells *, double, uint32_t);
    void (*destroy_session)(emucell_session **);
    void (*destroy_surrogate)(emucell_surrogate **);
    const char *(*message)(void);
} library;

static void find(void *handle, const char *name, void *function)
{
    void *address = dlsym(handle, name);
    if (!address)
        abort();
    memcpy(function, &address, sizeof address);
}

static library open_library(void)
{
    library l;
    l.handle = dlopen(library_path, RTLD_NOW | RTLD_LOCAL);
    if (!l.handle) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    find(l.handle, "emucell_session_options_init_sized", &l.options_init);
    find(l.handle, "emucell_cells_init_sized", &l.cells_init);
    find(l.handle, "emucell_surrogate_load", &l.load);
    find(l.handle, "emucell_session_create", &l.create);
    find(l.handle, "emucell_step", &l.step);
    find(l.handle, "emucell_session_destroy", &l.destroy_session);
    find(l.handle, "emucell_surrogate_destroy", &l.destroy_surrogate);
    find(l.handle, "emucell_last_error_message", &l.message);
    return l;
}

// Counts what goes wrong: threads do not share the counter of check.h.
static size_t work(const library *l)
{
    emucell_surrogate *surrogate = NULL;
    emucell_session *session = NULL;
    emucell_session_options options;
    emucell_cells cells;
    float state[2 * N_CELLS] = {0}, stimulus = 0.1f;
    size_t wrong = l->options_init(&options, sizeof options) != EMUCELL_OK;
    wrong += l->cells_init(&cells, sizeof cells) != EMUCELL_OK;
    options.n_threads = 2;
    wrong += l->load(surrogate_path, &surrogate) != EMUCELL_OK;
    wrong += l->create(surrogate, &options, &session) != EMUCELL_OK;
    cells.n_cells = N_CELLS;
    emucell_view view = {state, 2 * N_CELLS, 2, 1, 2, EMUCELL_F32};
    cells.state = view;
    emucell_view one_for_all = {&stimulus, 1, 0, 1, 1, EMUCELL_F32};
    cells.stimulus = one_for_all;
    wrong += l->step(session, &cells, 0.1, 2) != EMUCELL_OK;
    wrong += !(state[0] > 0 && state[2 * N_CELLS - 2] == state[0]);
    // The message is the thread's own and is freed when the thread ends.
    wrong += l->step(session, &cells, 0.3, 1) != EMUCELL_WRONG_STEP;
    wrong += !strstr(l->message(), "a step of 0.3");
    l->destroy_session(&session);
    l->destroy_surrogate(&surrogate);
    return wrong;
}

static sem_t worked, closed;

// Ends only after everybody has closed the library.
static void *work_and_linger(void *argument)
{
    (void)argument;
    library l = open_library();
    const size_t wrong = work(&l);
    dlclose(l.handle);
    sem_post(&worked);
    sem_wait(&closed);
    return (void *)wrong;
}

static void cycle(void)
{
    library l = open_library();
    CHECK(work(&l) == 0);
    pthread_t thread;
    void *wrong = NULL;
    CHECK(pthread_create(&thread, NULL, work_and_linger, NULL) == 0);
    sem_wait(&worked);
    dlclose(l.handle);
    sem_post(&closed);
    CHECK(pthread_join(thread, &wrong) == 0);
    CHECK(wrong == NULL);
}

static long number_of_files(const char *folder)
{
    long n = 0;
    DIR *entries = opendir(folder);
    while (entries && readdir(entries))
        n++;
    closedir(entries);
    return n;
}

// Kilobytes that the process has written to; unlike /proc/self/status, this is exact.
static long written_memory(void)
{
    char line[200];
    long found = -1;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");
    if (!file)
        return -1;
    while (fgets(line, sizeof line, file))
        sscanf(line, "Anonymous: %ld", &found);
    fclose(file);
    return found;
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    library_path = argv[1];
    surrogate_path = argv[2];
    sem_init(&worked, 0, 0);
    sem_init(&closed, 0, 0);
    for (int i = 0; i < N_WARM; i++)
        cycle();
    const long used = n_live_bytes(), memory = written_memory(), files = number_of_files("/proc/self/fd");
    for (int i = 0; i < N_CYCLES; i++)
        cycle();
    // A byte a cycle would be seen; what the C library keeps of a thread varies by a few.
    CHECK_CLOSE((double)n_live_bytes(), (double)used, 100);
    CHECK_CLOSE((double)written_memory(), (double)memory, 256);
    CHECK(number_of_files("/proc/self/fd") == files);
    CHECK(number_of_files("/proc/self/task") == 2 + 1);
    return failures != 0;
}
