// The structs of ABI 0 on machines with 64-bit pointers: compiling this file is the test.
//
// Programs that were compiled against an older header rely on these numbers; a change that makes
// one of them wrong needs a new EMUCELL_ABI_VERSION.

#include "emucell.h"

#define SAME(left, right) _Static_assert((left) == (right), #left)

SAME(EMUCELL_ABI_VERSION, 0);

SAME(sizeof(emucell_status), 4);
SAME(EMUCELL_OK, 0);
SAME(EMUCELL_INVALID_ARGUMENT, 1);
SAME(EMUCELL_IO, 2);
SAME(EMUCELL_FORMAT, 3);
SAME(EMUCELL_UNSUPPORTED, 4);
SAME(EMUCELL_WRONG_STEP, 5);
SAME(EMUCELL_NUMERIC, 6);
SAME(EMUCELL_BUSY, 7);
SAME(EMUCELL_POISONED, 8);
SAME(EMUCELL_PANIC, 9);
SAME(EMUCELL_INTERRUPTED, 10);
SAME(EMUCELL_CALLBACK, 11);

SAME(EMUCELL_F32, 1);
SAME(EMUCELL_F64, 2);
SAME(EMUCELL_SOLUTION_MAP, 1);
SAME(EMUCELL_STEP_MAP, 2);
SAME(EMUCELL_DERIVATIVE, 3);
SAME(EMUCELL_VERIFIED_UNKNOWN, 0);
SAME(EMUCELL_NOT_VERIFIED, 1);
SAME(EMUCELL_VERIFIED, 2);
SAME(EMUCELL_JACOBIAN, 1);
SAME(EMUCELL_JACOBIAN_VECTOR, 2);
SAME(EMUCELL_VECTOR_JACOBIAN, 3);
SAME(EMUCELL_TIME, 1);
SAME(EMUCELL_STATE, 2);
SAME(EMUCELL_STIMULUS, 3);
SAME(EMUCELL_PARAMETER, 4);
SAME(EMUCELL_GUARD_IGNORE, 0);
SAME(EMUCELL_GUARD_CLAMP, 1);
SAME(EMUCELL_GUARD_COUNT, 2);
SAME(EMUCELL_GUARD_FLAG, 3);
SAME(EMUCELL_GUARD_FALLBACK, 4);
SAME(EMUCELL_BACKEND_AUTO, 0);
SAME(EMUCELL_BACKEND_NATIVE, 1);
SAME(EMUCELL_BACKEND_ONNXRUNTIME, 2);
SAME(EMUCELL_BACKEND_TENSORRT, 3);
SAME(EMUCELL_PRECISION_AUTO, 0);
SAME(EMUCELL_PRECISION_F32, 1);
SAME(EMUCELL_PRECISION_F16, 2);
SAME(EMUCELL_PRECISION_BF16, 3);
SAME(EMUCELL_PRECISION_TF32, 4);
SAME(EMUCELL_LOG_OFF, 0);
SAME(EMUCELL_LOG_ERROR, 1);
SAME(EMUCELL_LOG_WARN, 2);
SAME(EMUCELL_LOG_INFO, 3);
SAME(EMUCELL_LOG_DEBUG, 4);
SAME(EMUCELL_CELL_OUTSIDE_DOMAIN, 1);
SAME(EMUCELL_CELL_NOT_FINITE, 2);
SAME(EMUCELL_CELL_FALLBACK, 4);

SAME(sizeof(emucell_view), 40);
SAME(offsetof(emucell_view, data), 0);
SAME(offsetof(emucell_view, length), 8);
SAME(offsetof(emucell_view, cell_stride), 16);
SAME(offsetof(emucell_view, variable_stride), 24);
SAME(offsetof(emucell_view, n_variables), 32);
SAME(offsetof(emucell_view, element_type), 36);

SAME(sizeof(emucell_cells), 192);
SAME(offsetof(emucell_cells, struct_size), 0);
SAME(offsetof(emucell_cells, reserved), 4);
SAME(offsetof(emucell_cells, n_cells), 8);
SAME(offsetof(emucell_cells, n_rows), 16);
SAME(offsetof(emucell_cells, state), 24);
SAME(offsetof(emucell_cells, stimulus), 64);
SAME(offsetof(emucell_cells, parameters), 104);
SAME(offsetof(emucell_cells, index), 144);
SAME(offsetof(emucell_cells, status), 152);
// Up to here since 0.1.
SAME(offsetof(emucell_cells, state_parts), 160);
SAME(offsetof(emucell_cells, n_state_parts), 168);
SAME(offsetof(emucell_cells, parameter_parts), 176);
SAME(offsetof(emucell_cells, n_parameter_parts), 184);

SAME(sizeof(emucell_evaluation), 56);
SAME(offsetof(emucell_evaluation, struct_size), 0);
SAME(offsetof(emucell_evaluation, reserved), 4);
SAME(offsetof(emucell_evaluation, n_cells), 8);
SAME(offsetof(emucell_evaluation, inputs), 16);
SAME(offsetof(emucell_evaluation, n_inputs), 24);
SAME(offsetof(emucell_evaluation, outputs), 32);
SAME(offsetof(emucell_evaluation, n_outputs), 40);
SAME(offsetof(emucell_evaluation, status), 48);

SAME(sizeof(emucell_fallback_call), 56);
SAME(offsetof(emucell_fallback_call, struct_size), 0);
SAME(offsetof(emucell_fallback_call, reserved), 4);
SAME(offsetof(emucell_fallback_call, n_cells), 8);
SAME(offsetof(emucell_fallback_call, rows), 16);
SAME(offsetof(emucell_fallback_call, positions), 24);
SAME(offsetof(emucell_fallback_call, cells), 32);
SAME(offsetof(emucell_fallback_call, evaluation), 40);
SAME(offsetof(emucell_fallback_call, dt), 48);

SAME(sizeof(emucell_counters), 48);
SAME(offsetof(emucell_counters, struct_size), 0);
SAME(offsetof(emucell_counters, reserved), 4);
SAME(offsetof(emucell_counters, n_calls), 8);
SAME(offsetof(emucell_counters, n_cell_steps), 16);
SAME(offsetof(emucell_counters, n_outside_domain), 24);
SAME(offsetof(emucell_counters, n_not_finite), 32);
SAME(offsetof(emucell_counters, n_fallback), 40);

SAME(sizeof(emucell_session_options), 96);
SAME(offsetof(emucell_session_options, struct_size), 0);
SAME(offsetof(emucell_session_options, n_threads), 4);
SAME(offsetof(emucell_session_options, guard), 8);
SAME(offsetof(emucell_session_options, reserved), 12);
SAME(offsetof(emucell_session_options, instruction_set), 16);
// Up to here since 0.1.
SAME(offsetof(emucell_session_options, device), 24);
SAME(offsetof(emucell_session_options, backend), 32);
SAME(offsetof(emucell_session_options, precision), 36);
SAME(offsetof(emucell_session_options, stream), 40);
SAME(offsetof(emucell_session_options, capacity), 48);
SAME(offsetof(emucell_session_options, fallback), 56);
SAME(offsetof(emucell_session_options, fallback_data), 64);
SAME(offsetof(emucell_session_options, fallback_dt), 72);
SAME(offsetof(emucell_session_options, onnxruntime_library), 80);
SAME(offsetof(emucell_session_options, engine_cache_folder), 88);

SAME(sizeof(emucell_variable), 40);
SAME(offsetof(emucell_variable, name), 0);
SAME(offsetof(emucell_variable, unit), 8);
SAME(offsetof(emucell_variable, role), 16);
SAME(offsetof(emucell_variable, has_range), 20);
SAME(offsetof(emucell_variable, range_low), 24);
SAME(offsetof(emucell_variable, range_high), 32);
