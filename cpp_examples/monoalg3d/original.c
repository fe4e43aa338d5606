#include "original.h"

#include <dlfcn.h>
#include <string.h>

#include "messages.h"

static void *symbol(const struct original *o, const char *name)
{
    void *found = dlsym(o->library, name);
    if (found == NULL) stop("emucell_original = %s: it has no %s and is no library of a cell model", o->path, name);
    return found;
}

/* Asks for the model's data with room for either `real`, and looks where the initial voltage was put. */
static void read_model(struct original *o, get_cell_model_data_fn *get_cell_model_data)
{
    union {
        struct cell_model_data data;
        unsigned char bytes[64];
    } model;
    memset(&model, 0xFF, sizeof model);
    get_cell_model_data(&model.data, true, true);
    bool in_float = false, in_double = false;
    for (int i = 4; i < 8; ++i) in_float = in_float || model.bytes[i] != 0xFF;
    for (int i = 8; i < 16; ++i) in_double = in_double || model.bytes[i] != 0xFF;
    if (in_float == in_double || in_double != (sizeof(real) == 8))
        stop("emucell_original = %s: built for another `real` than this plug-in (%s): build both for the simulator",
             o->path, sizeof(real) == 8 ? "double" : "float");
    if (model.data.number_of_ode_equations < 1)
        stop("emucell_original = %s: it has %d equations", o->path, model.data.number_of_ode_equations);
    o->n_states = (uint32_t)model.data.number_of_ode_equations;
    o->initial_v = model.data.initial_v;
}

struct original original_open(const struct settings *settings)
{
    struct original o = {.path = settings->original};
    o.library = dlopen(o.path, RTLD_NOW | RTLD_LOCAL);
    if (o.library == NULL) stop("emucell_original = %s: %s", o.path, dlerror());
    get_cell_model_data_fn *get_cell_model_data = NULL;
    /* ISO C has no other way from a data pointer to a function. */
    *(void **)&get_cell_model_data = symbol(&o, "init_cell_model_data");
    *(void **)&o.set_initial_conditions = symbol(&o, "set_model_initial_conditions_cpu");
    *(void **)&o.solve = symbol(&o, "solve_model_odes_cpu");
    Dl_info own, theirs;
    if (dladdr((void *)(uintptr_t)&original_open, &own) != 0 && dladdr(symbol(&o, "solve_model_odes_cpu"), &theirs) != 0 &&
        own.dli_fbase == theirs.dli_fbase)
        stop("emucell_original = %s: this is the plug-in itself; give the library of a cell model", o.path);
    read_model(&o, get_cell_model_data);
    return o;
}

void original_set_initial_conditions(const struct original *o, struct ode_solver *solver,
                                     struct string_hash_entry *settings)
{
    solver->model_data.number_of_ode_equations = (int)o->n_states;
    solver->model_data.initial_v = o->initial_v;
    o->set_initial_conditions(solver, settings);
}

void original_close(struct original *o)
{
    if (o->library != NULL) dlclose(o->library);
    o->library = NULL;
}
