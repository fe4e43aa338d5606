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
#define EMUCELL_VERSION_MINOR 7
#define EMUCELL_VERSION_PATCH 0
#define EMUCELL_VERSION "0.7.0"

// Init functions learn from your program how much of a struct its header knows.
#define emucell_cells_init(cells) emucell_cells_init_sized((cells), (uint32_t)sizeof(emucell_cells))
#define emucell_counters_init(counters) \
    emucell_counters_init_sized((counters), (uint32_t)sizeof(emucell_counters))
#define emucell_evaluation_init(evaluation) \
    emucell_evaluation_init_sized((evaluation), (uint32_t)sizeof(emucell_evaluation))
#define emucell_session_options_init(options) \
    emucell_session_options_init_sized((options), (uint32_t)sizeof(emucell_session_options))

// Bit of a cell's status byte: an input was outside the domain.
#define EMUCELL_CELL_OUTSIDE_DOMAIN 1

// Bit of a cell's status byte: a result is NaN or infinite.
#define EMUCELL_CELL_NOT_FINITE 2

// Bit of a cell's status byte: the fallback computed the cell.
#define EMUCELL_CELL_FALLBACK 4

// Derivative: inputs x; outputs y, then dy_i/dx_j row by row.
#define EMUCELL_JACOBIAN 1

// Derivative: inputs x, then v; outputs y, then J v.
#define EMUCELL_JACOBIAN_VECTOR 2

// Derivative: inputs x, then w; outputs y, then w^T J.
#define EMUCELL_VECTOR_JACOBIAN 3

// Log nothing; the default.
#define EMUCELL_LOG_OFF 0

// Log what made a session unusable.
#define EMUCELL_LOG_ERROR 1

// Log also what may make results wrong: the first cells outside the domain of a session whose
// guard looks.
#define EMUCELL_LOG_WARN 2

// Log also what was loaded and made.
#define EMUCELL_LOG_INFO 3

// Log everything.
#define EMUCELL_LOG_DEBUG 4

// Guard: inputs outside the domain are used as they are, and nobody looks.
#define EMUCELL_GUARD_IGNORE 0

// Guard: inputs outside the domain are moved to its border before they are used; cells are
// counted.
#define EMUCELL_GUARD_CLAMP 1

// Guard: inputs outside the domain are used as they are; cells are counted.
#define EMUCELL_GUARD_COUNT 2

// Guard: as EMUCELL_GUARD_COUNT, and calls without status bytes fail.
#define EMUCELL_GUARD_FLAG 3

// Guard: a cell outside the domain is computed by the fallback instead of the surrogate.
#define EMUCELL_GUARD_FALLBACK 4

// Backend: the fastest that takes the surrogate.
#define EMUCELL_BACKEND_AUTO 0

// Backend: emucell's own kernels.
#define EMUCELL_BACKEND_NATIVE 1

// Backend: ONNX Runtime.
#define EMUCELL_BACKEND_ONNXRUNTIME 2

// Backend: TensorRT on a GPU, by ONNX Runtime's provider of that name.
#define EMUCELL_BACKEND_TENSORRT 3

// Precision: single, or less where the surrogate's own error is much larger.
#define EMUCELL_PRECISION_AUTO 0

// Precision: IEEE single.
#define EMUCELL_PRECISION_F32 1

// Precision: IEEE half, sums in single.
#define EMUCELL_PRECISION_F16 2

// Precision: bfloat16, sums in single.
#define EMUCELL_PRECISION_BF16 3

// Precision: TensorFloat-32.
#define EMUCELL_PRECISION_TF32 4

// Kind of a surrogate: (t, x0, parameters) → x(t).
#define EMUCELL_SOLUTION_MAP 1

// Kind of a surrogate: (x, stimulus, parameters) → x after one step.
#define EMUCELL_STEP_MAP 2

// Kind of a surrogate made by emucell_surrogate_derivative().
#define EMUCELL_DERIVATIVE 3

// Nothing was claimed of the surrogate: it was trained, not distilled from a cell model library.
#define EMUCELL_VERIFIED_UNKNOWN 0

// The surrogate was distilled from a cell model library and missed its targets against it, or was
// never verified: do not rely on it.
#define EMUCELL_NOT_VERIFIED 1

// The surrogate met the targets that its provenance names.
#define EMUCELL_VERIFIED 2

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
    // A function of the caller's, called by the library, reported a failure.
    EMUCELL_CALLBACK = 11,
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
    // Element (0, 0); aligned to its type. NULL where the view is optional and not given. For the native
    // backend on a GPU it may be an address in that GPU's memory: calls then only queue work on the stream,
    // and emucell_session_synchronize() waits for it. An index and status bytes are there, too, then.
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
    // NULL, or n_state_parts views whose variables, side by side, are the states: for states that
    // lie in separate arrays. Then state is not given (data NULL).
    const struct emucell_view *state_parts;
    // Views of state_parts.
    size_t n_state_parts;
    // NULL, or n_parameter_parts views whose variables, side by side, are the parameters: some
    // the same for all cells, some not. Then parameters is not given (data NULL).
    const struct emucell_view *parameter_parts;
    // Views of parameter_parts.
    size_t n_parameter_parts;
} emucell_cells;

// What a session did since it was made or its counters were reset. Call emucell_counters_init()
// first.
//
// Cells are counted once for every application of the surrogate: a call of 3 steps for 10 cells
// counts 30. With EMUCELL_GUARD_IGNORE cells outside the domain and cells that are not finite are
// only counted by calls with status bytes.
typedef struct emucell_counters {
    // Size of this struct, set by emucell_counters_init().
    uint32_t struct_size;
    // 0.
    uint32_t reserved;
    // Calls of evaluate and step that succeeded.
    uint64_t n_calls;
    // Cells evaluated, and cells × steps.
    uint64_t n_cell_steps;
    // Of these, with an input outside the domain.
    uint64_t n_outside_domain;
    // Of these, with a result of the surrogate that is NaN or infinite.
    uint64_t n_not_finite;
    // Of these, computed by the fallback.
    uint64_t n_fallback;
} emucell_counters;

// Cells to evaluate. Call emucell_evaluation_init() before setting fields.
//
// Inputs are one or more views whose variables, side by side, are the surrogate's inputs: a time
// that is the same for all cells (cell_stride 0), states here, parameters there. So are outputs.
typedef struct emucell_evaluation {
    // Size of this struct, set by emucell_evaluation_init().
    uint32_t struct_size;
    // Must be 0.
    uint32_t reserved;
    // Cells to evaluate.
    size_t n_cells;
    // n_inputs views.
    const struct emucell_view *inputs;
    // Views of inputs.
    size_t n_inputs;
    // n_outputs views.
    const struct emucell_view *outputs;
    // Views of outputs.
    size_t n_outputs;
    // NULL, or n_cells bytes that receive bits EMUCELL_CELL_…; 0 is a good cell.
    uint8_t *status;
} emucell_evaluation;

// Receives a message: its level (EMUCELL_LOG_…) and UTF-8 text without a line end, which lives
// during the call. Called on the thread that called the library; must not throw or jump out.
typedef void (*emucell_log)(void *data, uint32_t level, const char *message);

// What a fallback is asked to do: compute n_cells cells of the call that is running.
typedef struct emucell_fallback_call {
    // Size of this struct.
    uint32_t struct_size;
    // 0.
    uint32_t reserved;
    // Cells to compute.
    size_t n_cells;
    // Row of each cell's state and parameters, n_cells numbers; in an evaluation its position.
    const uint32_t *rows;
    // Position of each cell in the call, n_cells numbers: row of its stimulus.
    const uint32_t *positions;
    // What emucell_step() was called with: advance the state in place by one step of dt. NULL in
    // an evaluation.
    const struct emucell_cells *cells;
    // What emucell_evaluate() or emucell_evaluate_parts() was called with: fill the outputs from
    // the inputs. NULL in a step.
    const struct emucell_evaluation *evaluation;
    // Length of the step; 0 in an evaluation.
    double dt;
} emucell_fallback_call;

// Computes cells outside the domain instead of the surrogate; returns 0, or any other number if
// it could not, and the call then fails with EMUCELL_CALLBACK.
//
// Called on the thread that called the session, at most once for each step or evaluation, under
// the default floating-point settings. It must not use the session (EMUCELL_BUSY), throw, or jump
// out.
typedef int32_t (*emucell_fallback)(void *data, const struct emucell_fallback_call *call);

// How a session computes. Call emucell_session_options_init() before setting fields. What this
// build or machine cannot do is EMUCELL_UNSUPPORTED.
typedef struct emucell_session_options {
    // Size of this struct, set by emucell_session_options_init().
    uint32_t struct_size;
    // Threads that share the cells of a call, the caller's included; 1 by default. The session
    // starts the others and keeps them.
    uint32_t n_threads;
    // EMUCELL_GUARD_…; EMUCELL_GUARD_IGNORE by default.
    uint32_t guard;
    // Must be 0.
    uint32_t reserved;
    // Instruction set by name ("scalar", "avx2"); NULL (default) for the machine's fastest.
    const char *instruction_set;
    // "cpu", "cuda" or "cuda:N"; NULL (default) is the CPU.
    const char *device;
    // EMUCELL_BACKEND_…; EMUCELL_BACKEND_AUTO by default.
    uint32_t backend;
    // EMUCELL_PRECISION_…; EMUCELL_PRECISION_AUTO by default. Buffers are float or double
    // whatever it is.
    uint32_t precision;
    // CUDA stream (cudaStream_t) on which a GPU works, whose context is used as it is; NULL for a stream
    // of the session's own, and on the CPU.
    void *stream;
    // Most cells and rows of a call; 0 if unknown. Memory that an unordered index and a fallback
    // need for each is reserved for so many; a larger call allocates.
    size_t capacity;
    // With EMUCELL_GUARD_FALLBACK: who computes cells outside the domain; NULL (default) for the
    // surrogate's own cell model and its solver, forward Euler.
    emucell_fallback fallback;
    // First argument of fallback.
    void *fallback_data;
    // Longest step of the cell model's solver, ms; 0 (default) is 0.01.
    double fallback_dt;
    // File of the library ONNX Runtime, 1.23 or later, for the backends that need it; NULL
    // (default) for the one in the environment variable EMUCELL_ONNXRUNTIME, or the system's.
    // One a process.
    const char *onnxruntime_library;
    // Folder where TensorRT keeps the engines and timings that it takes minutes to make, for the
    // next session; NULL (default) for none. The native backend keeps compiled kernels for a GPU there;
    // with NULL in the folder that the environment variable EMUCELL_KERNEL_CACHE names, or in the
    // user's cache folder.
    const char *engine_cache_folder;
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

// Fills cells, struct_size bytes, with zeros and its size. Call the macro
// emucell_cells_init(cells), which says the size that your header knows.
//
// # Safety
// cells is NULL or leads to struct_size bytes that may be written.
enum emucell_status emucell_cells_init_sized(struct emucell_cells *cells, uint32_t struct_size);

// Fills counters, struct_size bytes, with zeros and its size. Call the macro
// emucell_counters_init(counters), which says the size that your header knows.
//
// # Safety
// counters is NULL or leads to struct_size bytes that may be written.
enum emucell_status emucell_counters_init_sized(struct emucell_counters *counters, uint32_t struct_size);

// Copies what session counted to *counters.
//
// Errors: EMUCELL_INVALID_ARGUMENT, EMUCELL_BUSY, EMUCELL_POISONED.
//
// # Safety
// session is NULL or a live handle; counters is NULL or leads to counters that may be written.
enum emucell_status emucell_session_counters(struct emucell_session *session,
                                             struct emucell_counters *counters);

// Begins to count anew.
//
// Errors: EMUCELL_INVALID_ARGUMENT, EMUCELL_BUSY, EMUCELL_POISONED.
//
// # Safety
// session is NULL or a live handle.
enum emucell_status emucell_session_reset_counters(struct emucell_session *session);

// Makes the surrogate that computes the outputs y of surrogate and a derivative of them with respect
// to all of its inputs x: with n inputs and m outputs,
//
// - EMUCELL_JACOBIAN: inputs x; outputs y, then dy_i/dx_j in column m + i * n + j;
// - EMUCELL_JACOBIAN_VECTOR: inputs x, then v (n columns each); outputs y, then J v (m columns each);
// - EMUCELL_VECTOR_JACOBIAN: inputs x, then w (m columns); outputs y, then w^T J (n columns).
//
// An implicit solver that has F(x) = 0 to solve, with F made of the surrogate, evaluates the Jacobian
// once an iteration of Newton and takes value and matrix from one call; a Krylov method wants
// J v only; optimisation of parameters or stimuli wants w^T J, with w the gradient of its objective
// with respect to y. The derivative is that of the network, exact up to rounding.
//
// *out is a surrogate of kind EMUCELL_DERIVATIVE, a handle to give to emucell_surrogate_destroy()
// and independent of surrogate. Describe it, make sessions of it and evaluate it as any other; it is
// never stepped. A step map's y is the state after its own step; along several steps, J v of
// one is the v of the next in the state's columns. Inputs x keep their ranges: with
// EMUCELL_GUARD_CLAMP the derivative is the one at the border. ReLU and leaky ReLU at 0 have the slope
// of negative arguments. Entries that are the same for all inputs are so for NaN too.
// Errors: EMUCELL_INVALID_ARGUMENT, EMUCELL_UNSUPPORTED (of a derivative, for one); *out is NULL then.
// May be called from any thread.
//
// # Safety
// surrogate is NULL or a live handle; out is NULL or may be written.
enum emucell_status emucell_surrogate_derivative(const struct emucell_surrogate *surrogate,
                                                 uint32_t kind,
                                                 struct emucell_surrogate **out);

// Computes outputs (n_cells × outputs) from inputs (n_cells × inputs), columns in the order of
// emucell_surrogate_input() and emucell_surrogate_output().
//
// inputs and outputs share no number. Allocates nothing. A cell with NaN inputs gets NaN
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

// Computes outputs from inputs that lie in several places, and status bytes if asked.
//
// Otherwise as emucell_evaluate(). Errors: also EMUCELL_CALLBACK; outputs of the other cells are
// then written.
//
// # Safety
// session is NULL or a live handle; what evaluation leads to is as large as it says, and nobody
// else uses it meanwhile.
enum emucell_status emucell_evaluate_parts(struct emucell_session *session,
                                           const struct emucell_evaluation *evaluation);

// Evaluates a solution map at n_times times of the same cells, in the unit of its time: inputs is
// n_cells × inputs without the one of role EMUCELL_TIME, otherwise in the surrogate's order (NULL if
// the time is the only one); times is in the processor's memory; outputs is n_cells × n_times·outputs,
// all of the first time, then of the next.
//
// Faster than as many calls of emucell_evaluate(), above all for few cells; what the network makes of
// a cell alone and of a time alone is computed once where that is less work. Results agree with
// emucell_evaluate() to rounding and do not depend on the other cells and times. On a GPU, with the
// outputs in its memory, one launch for each 32 times is queued. emucell_counters counts each cell
// once for each time. outputs shares no number with inputs and times. Allocates nothing within the
// session's capacity. One thread at a time may use a session (EMUCELL_BUSY).
// Errors: EMUCELL_INVALID_ARGUMENT (no input of role EMUCELL_TIME and EMUCELL_GUARD_FLAG among others),
// EMUCELL_UNSUPPORTED (a session with a fallback function, which could not be told the time),
// EMUCELL_BUSY, EMUCELL_POISONED; outputs stay as they were.
//
// # Safety
// session is NULL or a live handle; the views are NULL or lead to as many elements as they say, and
// times is NULL or leads to n_times numbers, which nobody else uses meanwhile.
enum emucell_status emucell_evaluate_times(struct emucell_session *session,
                                           size_t n_cells,
                                           const struct emucell_view *inputs,
                                           const double *times,
                                           size_t n_times,
                                           const struct emucell_view *outputs);

// Advances cells in place by n_steps steps of length dt, in the unit of the surrogate's time.
//
// A step map takes its own step only (emucell_surrogate_kind()), unless it has an input of role
// EMUCELL_TIME: then any in that input's range. A solution map takes any. That input is dt. Stimulus
// and parameters are the same in all n_steps. Allocates nothing within the session's capacity. A cell with a NaN state stays NaN, is reported in its status byte and
// disturbs no other. One thread at a time may use a session (EMUCELL_BUSY).
// Errors: EMUCELL_INVALID_ARGUMENT, EMUCELL_WRONG_STEP, EMUCELL_BUSY, EMUCELL_POISONED; the
// state stays as it was. EMUCELL_CALLBACK: cells have then made different numbers of steps.
//
// # Safety
// session is NULL or a live handle; what cells leads to is as large as it says, and nobody else
// uses it meanwhile.
enum emucell_status emucell_step(struct emucell_session *session,
                                 const struct emucell_cells *cells,
                                 double dt,
                                 uint32_t n_steps);

// Fills evaluation, struct_size bytes, with zeros and its size. Call the macro
// emucell_evaluation_init(evaluation), which says the size that your header knows.
//
// # Safety
// evaluation is NULL or leads to struct_size bytes that may be written.
enum emucell_status emucell_evaluation_init_sized(struct emucell_evaluation *evaluation,
                                                  uint32_t struct_size);

// What went wrong in this thread's last failing call, where, and what to do about it; empty if
// none failed yet.
//
// UTF-8 text that lives until this thread's next failing call. Never NULL.
const char *emucell_last_error_message(void);

// Sends messages of the library up to level (EMUCELL_LOG_…) to log; NULL or EMUCELL_LOG_OFF end
// it. For the whole process, from all threads; a call in another thread may still be on its way
// when this returns. Formatting a message allocates.
//
// Errors: EMUCELL_INVALID_ARGUMENT; EMUCELL_UNSUPPORTED in a program in which Rust code that is
// linked statically has a logger of its own.
//
// # Safety
// log may be called with data from any thread that calls the library.
enum emucell_status emucell_set_log(emucell_log log, void *data, uint32_t level);

// Fills options, struct_size bytes, with the defaults. Call the macro
// emucell_session_options_init(options), which says the size that your header knows.
//
// # Safety
// options is NULL or leads to struct_size bytes that may be written.
enum emucell_status emucell_session_options_init_sized(struct emucell_session_options *options,
                                                       uint32_t struct_size);

// Prepares surrogate for use; options may be NULL for the defaults. What evaluating and stepping
// need is allocated here, as far as options tell the capacity.
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

// Device and instruction set that session computes with, for example "cpu avx512, threads: 1";
// NULL for NULL. The text belongs to the session and lives as long as it.
//
// # Safety
// session is NULL or a live handle.
const char *emucell_session_name(const struct emucell_session *session);

// Waits until everything that session was asked to do has been done. On the CPU it has been done
// when evaluate or step return; on a GPU they only queue it on the stream.
//
// Errors: EMUCELL_INVALID_ARGUMENT, EMUCELL_BUSY, EMUCELL_POISONED.
//
// # Safety
// session is NULL or a live handle.
enum emucell_status emucell_session_synchronize(struct emucell_session *session);

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

// Puts EMUCELL_SOLUTION_MAP, EMUCELL_STEP_MAP or EMUCELL_DERIVATIVE into *kind, and the step of a
// step map, in the unit of its time, into *dt (0 for other kinds). Either may be NULL.
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

// Number of output variables; 0 for NULL. A step map's outputs are its states; those of a solution map are the states,
// at each of emucell_surrogate_times() in turn, if there are any.
//
// # Safety
// surrogate is NULL or a live handle.
size_t emucell_surrogate_n_outputs(const struct emucell_surrogate *surrogate);

// Number of times at which a solution map gives the states in one evaluation; 0 for NULL and where each output is one
// state at one time.
//
// # Safety
// surrogate is NULL or a live handle.
size_t emucell_surrogate_n_times(const struct emucell_surrogate *surrogate);

// Copies the times of the outputs, n = emucell_surrogate_n_times() numbers in the unit of the cell model's time
// (milliseconds), ascending, to times. The outputs are all states at the first time, then all at the second, …, and are
// called like "u@0.8".
//
// Errors: EMUCELL_INVALID_ARGUMENT if n is another number.
//
// # Safety
// surrogate is NULL or a live handle; times is NULL or leads to n numbers that may be written.
enum emucell_status emucell_surrogate_times(const struct emucell_surrogate *surrogate,
                                            double *times,
                                            size_t n);

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

// Copies the state in which a cell starts, n numbers in the order of the outputs (of one time, where they are
// states at several), to state.
//
// Errors: EMUCELL_UNSUPPORTED if the file tells no initial state, EMUCELL_INVALID_ARGUMENT if n
// is not the number of states: of outputs, divided by the number of their times if there are any.
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

// Name of the cell model that the surrogate stands for, for example "fhn_cubic"; NULL for NULL
// and where the file tells none. The text belongs to the surrogate and lives as long as it.
//
// # Safety
// surrogate is NULL or a live handle.
const char *emucell_surrogate_cell_model(const struct emucell_surrogate *surrogate);

// Whether the surrogate was proved against the cell model that it was made from:
// EMUCELL_VERIFIED_UNKNOWN, EMUCELL_NOT_VERIFIED or EMUCELL_VERIFIED; EMUCELL_VERIFIED_UNKNOWN for
// NULL. The targets and errors are in the member "verification" of emucell_surrogate_provenance().
//
// # Safety
// surrogate is NULL or a live handle.
uint32_t emucell_surrogate_verified(const struct emucell_surrogate *surrogate);

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
