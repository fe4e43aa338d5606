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

SAME(EMUCELL_F32, 1);
SAME(EMUCELL_F64, 2);
SAME(EMUCELL_SOLUTION_MAP, 1);
SAME(EMUCELL_STEP_MAP, 2);
SAME(EMUCELL_DERIVATIVE, 3);
SAME(EMUCELL_JACOBIAN, 1);
SAME(EMUCELL_JACOBIAN_VECTOR, 2);
SAME(EMUCELL_VECTOR_JACOBIAN, 3);
SAME(EMUCELL_TIME, 1);
SAME(EMUCELL_STATE, 2);
SAME(EMUCELL_STIMULUS, 3);
SAME(EMUCELL_PARAMETER, 4);
SAME(EMUCELL_GUARD_IGNORE, 0);
SAME(EMUCELL_GUARD_CLAMP, 1);
SAME(EMUCELL_CELL_OUTSIDE_DOMAIN, 1);
SAME(EMUCELL_CELL_NOT_FINITE, 2);

SAME(sizeof(emucell_view), 40);
SAME(offsetof(emucell_view, data), 0);
SAME(offsetof(emucell_view, length), 8);
SAME(offsetof(emucell_view, cell_stride), 16);
SAME(offsetof(emucell_view, variable_stride), 24);
SAME(offsetof(emucell_view, n_variables), 32);
SAME(offsetof(emucell_view, element_type), 36);

SAME(sizeof(emucell_cells), 160);
SAME(offsetof(emucell_cells, struct_size), 0);
SAME(offsetof(emucell_cells, reserved), 4);
SAME(offsetof(emucell_cells, n_cells), 8);
SAME(offsetof(emucell_cells, n_rows), 16);
SAME(offsetof(emucell_cells, state), 24);
SAME(offsetof(emucell_cells, stimulus), 64);
SAME(offsetof(emucell_cells, parameters), 104);
SAME(offsetof(emucell_cells, index), 144);
SAME(offsetof(emucell_cells, status), 152);

SAME(sizeof(emucell_session_options), 24);
SAME(offsetof(emucell_session_options, struct_size), 0);
SAME(offsetof(emucell_session_options, n_threads), 4);
SAME(offsetof(emucell_session_options, guard), 8);
SAME(offsetof(emucell_session_options, reserved), 12);
SAME(offsetof(emucell_session_options, instruction_set), 16);

SAME(sizeof(emucell_variable), 40);
SAME(offsetof(emucell_variable, name), 0);
SAME(offsetof(emucell_variable, unit), 8);
SAME(offsetof(emucell_variable, role), 16);
SAME(offsetof(emucell_variable, has_range), 20);
SAME(offsetof(emucell_variable, range_low), 24);
SAME(offsetof(emucell_variable, range_high), 32);
