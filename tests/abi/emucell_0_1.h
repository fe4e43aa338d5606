// emucell: neural surrogates of cardiac cell models, inside a tissue simulator.
//
// Made from src/capi by cbindgen. Plain C99; C++ programs may prefer emucell.hpp.
//
// Ownership. emucell_surrogate_load() and emucell_session_create() give handles that the caller
// gives back to emucell_surrogate_destroy() and emucell_session_destroy(), in any order. Texts
// belong to the library or to the handle that they were asked of. Buffers stay the caller's: the
// library uses them during a call only.
//
// Threads. A surrogate may be used by any number of threads at once. A session is used by one
// thread at a time: create one for each thread. The library starts no threads unless
// n_threads asks for them.
//
// Errors. Functions that can fail return an emucell_status; emucell_last_error_message() says
// what went wrong, where, and what to do about it. On failure outputs stay as they were, except
// handles, which become NULL. The library does not print, exit, or raise signals.
//
// Units. Numbers are in the units that the surrogate's variables tell; time is in milliseconds for
// the cell models that come with emucell.


#ifndef EMUCELL_H
#define EMUCELL_H

#include <stddef.h>
#include <stdint.h>

#define EMUCELL_VERSION_MAJOR 0
#define EMUCELL_VERSION_MINOR 1
#define EMUCELL_VERSION_PATCH 0
#define EMUCELL_VERSION "0.1.0"

// Bit of a cell's status byte: an input was outside the domain.
#define EMUCELL_CELL_OUTSIDE_DOMAIN 1

// Bit of a cell's status byte: a result is NaN or infinite.
#define EMUCELL_CELL_NOT_FINITE 2

// Guard: inputs outside the domain are used as they are.
#define EMUCELL_GUARD_IGNORE 0

// Guard: inputs outside the domain are moved to its border before they are used.
#define EMUCELL_GUARD_CLAMP 1

// Kind of a surrogate: (t, x0, parameters) → x(t).
#define EMUCELL_SOLUTION_MAP 1

// Kind of a surrogate: (x, stimulus, parameters) → x after one step.
#define EMUCELL_STEP_MAP 2

// Role of a variable: time since the initial state.
#define EMUCELL_TIME 1

// Role of a variable: state of the cell model.
#define EMUCELL_STATE 2

// Role of a variable: stimulus that the simulator applies.
#define EMUCELL_STIMULUS 3

// Role of a variable: a number of the cell that does not change in time.
#define EMUCELL_PARAMETER 4

// Number of the ABI: a library with another number has changed what old programs rely on.
#define EMUCELL_ABI_VERSION 0

// Element type: float.
#define EMUCELL_F32 1

// Element type: double.
#define EMUCELL_F64 2

// What became of a call. Numbers never change their meaning.
typedef enum emucell_status {
    // Done.
    EMUCELL_OK = 0,
    // An argument that cannot be meant: NULL, a wrong shape, an unknown option.
    EMUCELL_INVALID_ARGUMENT = 1,
    // A file could not be read or written.
    EMUCELL_IO = 2,
    // A file is damaged, contradicts itself or is of another type.
    EMUCELL_FORMAT = 3,
    // Beyond what this build or this machine can do.
    EMUCELL_UNSUPPORTED = 4,
    // Another step than the one that the step map was trained for.
    EMUCELL_WRONG_STEP = 5,
    // NaN or infinity, or no convergence.
    EMUCELL_NUMERIC = 6,
    // The session is in use by another thread.
    EMUCELL_BUSY = 7,
    // The session stopped at an internal fault: destroy it.
    EMUCELL_POISONED = 8,
    // An internal fault; the session that met it is poisoned.
    EMUCELL_PANIC = 9,
    // Interrupted by the user.
    EMUCELL_INTERRUPTED = 10,
} emucell_status;

// A surrogate prepared for use by one thread at a time; owns its workspace.
typedef struct emucell_session emucell_session;

// A trained network with everything needed to use it. Immutable: any number of threads may use
// one at once. Sessions keep what they need of it, so that it may be destroyed before them.
typedef struct emucell_surrogate emucell_surrogate;

// Where the numbers of some cells lie: variable j of cell i is element
// i * cell_stride + j * variable_stride behind data.
//
// Array-of-structures, structure-of-arrays and pitched rows are all views; a cell_stride of 0
// makes one number serve all cells, for reading. Make one with emucell_view_of_structures() or
// emucell_view_of_arrays(), or fill in the fields.
typedef struct emucell_view {
    // Element (0, 0); aligned to its type. NULL where the view is optional and not given.
    void *data;
    // Elements that may be accessed from data on; calls that would go beyond fail.
    size_t length;
    // Elements from a cell to the next.
    size_t cell_stride;
    // Elements from a variable to the next.
    size_t variable_stride;
    // Variables of a cell.
    uint32_t n_variables;
    // EMUCELL_F32 or EMUCELL_F64.
    uint32_t element_type;
} emucell_view;

// Cells to advance in place. Call emucell_cells_init() before setting fields.
typedef struct emucell_cells {
    // Size of this struct, set by emucell_cells_init().
    uint32_t struct_size;
    // Must be 0.
    uint32_t reserved;
    // Cells to advance.
    size_t n_cells;
    // Rows of state and parameters; n_cells if there is no index.
    size_t n_rows;
    // Rows × states, read and written in place.
    struct emucell_view state;
    // Cells × stimulus variables: row i belongs to cell i of the call. Needed if the surrogate
    // has a stimulus; data NULL if not.
    struct emucell_view stimulus;
    // Rows × parameters: a cell's parameters lie in the row of its state. Needed if the
    // surrogate has parameters; data NULL if not.
    struct emucell_view parameters;
    // NULL, or n_cells different row numbers, one for each cell of the call.
    const uint32_t *index;
    // NULL, or n_cells bytes that receive bits EMUCELL_CELL_…; 0 is a good cell.
    uint8_t *status;
} emucell_cells;

// How a session computes. Call emucell_session_options_init() before setting fields.
typedef struct emucell_session_options {
    // Size of this struct, set by emucell_session_options_init().
    uint32_t struct_size;
    // Threads that share the cells of a call, the caller's included; 1 by default. The session
    // starts the others and keeps them.
    uint32_t n_threads;
    // EMUCELL_GUARD_IGNORE (default) or EMUCELL_GUARD_CLAMP.
    uint32_t guard;
    // Must be 0.
    uint32_t reserved;
    // Instruction set by name ("scalar", "avx2"); NULL (default) for the machine's fastest.
    const char *instruction_set;
} emucell_session_options;

// What a column of a surrogate's inputs or outputs is. The texts belong to the surrogate and
// live as long as it.
typedef struct emucell_variable {
    // Name in the cell model.
    const char *name;
    // Unit as text, "1" for dimensionless, empty if unknown.
    const char *unit;
    // EMUCELL_TIME, EMUCELL_STATE, EMUCELL_STIMULUS or EMUCELL_PARAMETER.
    uint32_t role;
    // 1 if the range is known, else 0.
    uint32_t has_range;
    // Smallest value of the training data.
    double range_low;
    // Largest value of the training data.
    double range_high;
} emucell_variable;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Fills cells with zeros and its size.
//
// # Safety
// cells is NULL or may be written.
enum emucell_status emucell_cells_init(struct emucell_cells *cells);

// Computes outputs (n_cells × outputs) from inputs (n_cells × inputs), columns in the order of
// emucell_surrogate_input() and emucell_surrogate_output().
//
// inputs and outputs are separate memory. Allocates nothing. A cell with NaN inputs gets NaN
// outputs and disturbs no other. One thread at a time may use a session (EMUCELL_BUSY).
// Errors: EMUCELL_INVALID_ARGUMENT, EMUCELL_BUSY, EMUCELL_POISONED; outputs stay as they were.
//
// # Safety
// session is NULL or a live handle; the views are NULL or lead to as many elements as they say,
// which nobody else uses meanwhile.
enum emucell_status emucell_evaluate(struct emucell_session *session,
                                     size_t n_cells,
                                     const struct emucell_view *inputs,
                                     const struct emucell_view *outputs);

// Advances cells in place by n_steps steps of length dt, in the unit of the surrogate's time.
//
// A step map takes its own step only (emucell_surrogate_kind()), a solution map any: its time
// column is dt. Stimulus and parameters are the same in all n_steps. Allocates nothing. A cell
// with a NaN state stays NaN, is reported in its status byte and disturbs no other. One thread at
// a time may use a session (EMUCELL_BUSY).
// Errors: EMUCELL_INVALID_ARGUMENT, EMUCELL_WRONG_STEP, EMUCELL_BUSY, EMUCELL_POISONED; the
// state stays as it was.
//
// # Safety
// session is NULL or a live handle; what cells leads to is as large as it says, its index has no
// row twice, and nobody else uses it meanwhile.
enum emucell_status emucell_step(struct emucell_session *session,
                                 const struct emucell_cells *cells,
                                 double dt,
                                 uint32_t n_steps);

// What went wrong in this thread's last failing call, where, and what to do about it; empty if
// none failed yet.
//
// UTF-8 text that lives until this thread's next failing call. Never NULL.
const char *emucell_last_error_message(void);

// Fills options with the defaults.
//
// # Safety
// options is NULL or may be written.
enum emucell_status emucell_session_options_init(struct emucell_session_options *options);

// Prepares surrogate for use; options may be NULL for the defaults. Everything that evaluating
// and stepping need is allocated here.
//
// On success *out is a handle to give to emucell_session_destroy() in the end; on failure NULL.
// The session keeps what it needs of the surrogate. May be called from any thread.
// Errors: EMUCELL_INVALID_ARGUMENT, EMUCELL_UNSUPPORTED.
//
// # Safety
// surrogate is NULL or a live handle; options is NULL or leads to options; out is NULL or may be
// written.
enum emucell_status emucell_session_create(const struct emucell_surrogate *surrogate,
                                           const struct emucell_session_options *options,
                                           struct emucell_session **out);

// Frees a session and makes *session NULL. Accepts NULL and a NULL handle.
//
// # Safety
// session is NULL or leads to a handle that no other thread is using.
void emucell_session_destroy(struct emucell_session **session);

// Name of a status, for example "EMUCELL_IO"; "unknown status" for any other number.
//
// The text lives for ever. May be called from any thread.
const char *emucell_status_name(int32_t status);

// What a status means, in a few words; "unknown status" for any other number.
//
// The text lives for ever. May be called from any thread. What happened in particular says
// emucell_last_error_message().
const char *emucell_status_text(int32_t status);

// Loads the surrogate in the ONNX file at path (UTF-8, NUL-terminated).
//
// On success *out is a handle to give to emucell_surrogate_destroy() in the end; on failure NULL.
// Errors: EMUCELL_IO, EMUCELL_FORMAT, EMUCELL_UNSUPPORTED. May be called from any thread.
//
// # Safety
// path is NULL or a NUL-terminated text; out is NULL or may be written.
enum emucell_status emucell_surrogate_load(const char *path, struct emucell_surrogate **out);

// Loads the surrogate in the size bytes of an ONNX file at bytes, which may be freed afterwards.
//
// Otherwise as emucell_surrogate_load().
//
// # Safety
// bytes is NULL or leads to size bytes; out is NULL or may be written.
enum emucell_status emucell_surrogate_load_memory(const uint8_t *bytes,
                                                  size_t size,
                                                  struct emucell_surrogate **out);

// Frees a surrogate and makes *surrogate NULL. Accepts NULL and a NULL handle.
//
// # Safety
// surrogate is NULL or leads to a handle that no other thread is using.
void emucell_surrogate_destroy(struct emucell_surrogate **surrogate);

// Puts EMUCELL_SOLUTION_MAP or EMUCELL_STEP_MAP into *kind, and the step of a step map, in the
// unit of its time, into *dt (0 for a solution map). Either may be NULL.
//
// # Safety
// surrogate is NULL or a live handle; kind and dt are NULL or may be written.
enum emucell_status emucell_surrogate_kind(const struct emucell_surrogate *surrogate,
                                           uint32_t *kind,
                                           double *dt);

// Number of input variables; 0 for NULL.
//
// # Safety
// surrogate is NULL or a live handle.
size_t emucell_surrogate_n_inputs(const struct emucell_surrogate *surrogate);

// Number of output variables; 0 for NULL. A step map's outputs are its states.
//
// # Safety
// surrogate is NULL or a live handle.
size_t emucell_surrogate_n_outputs(const struct emucell_surrogate *surrogate);

// Describes input variable i, counted from 0 in the order of evaluate's input columns.
//
// # Safety
// surrogate is NULL or a live handle; out is NULL or may be written.
enum emucell_status emucell_surrogate_input(const struct emucell_surrogate *surrogate,
                                            size_t i,
                                            struct emucell_variable *out);

// Describes output variable i, counted from 0 in the order of evaluate's output columns, which
// is the order of the states in emucell_cells.
//
// # Safety
// surrogate is NULL or a live handle; out is NULL or may be written.
enum emucell_status emucell_surrogate_output(const struct emucell_surrogate *surrogate,
                                             size_t i,
                                             struct emucell_variable *out);

// Copies the state in which a cell starts, n numbers in the order of the outputs, to state.
//
// Errors: EMUCELL_UNSUPPORTED if the file tells no initial state, EMUCELL_INVALID_ARGUMENT if n
// is not the number of outputs.
//
// # Safety
// surrogate is NULL or a live handle; state is NULL or leads to n numbers that may be written.
enum emucell_status emucell_surrogate_initial_state(const struct emucell_surrogate *surrogate,
                                                    double *state,
                                                    size_t n);

// How the surrogate came to be (recipe, seed, data, errors, program version) as a JSON object;
// NULL for NULL. The text belongs to the surrogate and lives as long as it.
//
// # Safety
// surrogate is NULL or a live handle.
const char *emucell_surrogate_provenance(const struct emucell_surrogate *surrogate);

// Version of the library, for example "0.1.0". The text lives for ever.
const char *emucell_version(void);

// Number of the library's ABI; compare it with EMUCELL_ABI_VERSION of the header.
uint32_t emucell_abi_version(void);

// A view of n_cells structures of n_variables numbers each, one after the other.
struct emucell_view emucell_view_of_structures(void *data,
                                               uint32_t element_type,
                                               size_t n_cells,
                                               uint32_t n_variables);

// A view of n_variables arrays, one behind the other, each with room for pitch numbers of which
// the first n_cells belong to the cells. A pitch in bytes is to be divided by the element's size.
struct emucell_view emucell_view_of_arrays(void *data,
                                           uint32_t element_type,
                                           size_t n_cells,
                                           uint32_t n_variables,
                                           size_t pitch);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* EMUCELL_H */
