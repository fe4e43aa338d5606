! emucell_c: the C ABI of emucell.h in Fortran 2018, name for name. `use emucell` has all of it and
! what makes it comfortable; emucell.h says what each function does, its errors and its threads.
!
! Handles are type(c_ptr); structs are derived types of the same names, whose components have the
! names of C's. Numbers that C calls uint32_t and uint64_t are integers of the same size here.

module emucell_c
    use, intrinsic :: iso_c_binding, only: c_ptr, c_funptr, c_null_ptr, c_null_funptr, c_sizeof, c_char, c_double, &
                                           c_int, c_int8_t, c_int32_t, c_int64_t, c_size_t
    implicit none
    public
    private :: c_ptr, c_funptr, c_null_ptr, c_null_funptr, c_sizeof, c_char, c_double
    private :: c_int, c_int8_t, c_int32_t, c_int64_t, c_size_t

    ! EMUCELL_ABI_VERSION of the header: Fortran does not tell it from the function of that name.
    integer(c_int32_t), parameter :: EMUCELL_HEADER_ABI_VERSION = 0

    ! What became of a call.
    integer(c_int), parameter :: EMUCELL_OK = 0
    integer(c_int), parameter :: EMUCELL_INVALID_ARGUMENT = 1
    integer(c_int), parameter :: EMUCELL_IO = 2
    integer(c_int), parameter :: EMUCELL_FORMAT = 3
    integer(c_int), parameter :: EMUCELL_UNSUPPORTED = 4
    integer(c_int), parameter :: EMUCELL_WRONG_STEP = 5
    integer(c_int), parameter :: EMUCELL_NUMERIC = 6
    integer(c_int), parameter :: EMUCELL_BUSY = 7
    integer(c_int), parameter :: EMUCELL_POISONED = 8
    integer(c_int), parameter :: EMUCELL_PANIC = 9
    integer(c_int), parameter :: EMUCELL_INTERRUPTED = 10
    integer(c_int), parameter :: EMUCELL_CALLBACK = 11

    ! Bits of a cell's status byte.
    integer(c_int8_t), parameter :: EMUCELL_CELL_OUTSIDE_DOMAIN = 1
    integer(c_int8_t), parameter :: EMUCELL_CELL_NOT_FINITE = 2
    integer(c_int8_t), parameter :: EMUCELL_CELL_FALLBACK = 4

    ! Guards: what happens to inputs outside the domain.
    integer(c_int32_t), parameter :: EMUCELL_GUARD_IGNORE = 0
    integer(c_int32_t), parameter :: EMUCELL_GUARD_CLAMP = 1
    integer(c_int32_t), parameter :: EMUCELL_GUARD_COUNT = 2
    integer(c_int32_t), parameter :: EMUCELL_GUARD_FLAG = 3
    integer(c_int32_t), parameter :: EMUCELL_GUARD_FALLBACK = 4

    ! Backends.
    integer(c_int32_t), parameter :: EMUCELL_BACKEND_AUTO = 0
    integer(c_int32_t), parameter :: EMUCELL_BACKEND_NATIVE = 1
    integer(c_int32_t), parameter :: EMUCELL_BACKEND_ONNXRUNTIME = 2
    integer(c_int32_t), parameter :: EMUCELL_BACKEND_TENSORRT = 3

    ! Precisions of computing, whatever the buffers hold.
    integer(c_int32_t), parameter :: EMUCELL_PRECISION_AUTO = 0
    integer(c_int32_t), parameter :: EMUCELL_PRECISION_F32 = 1
    integer(c_int32_t), parameter :: EMUCELL_PRECISION_F16 = 2
    integer(c_int32_t), parameter :: EMUCELL_PRECISION_BF16 = 3
    integer(c_int32_t), parameter :: EMUCELL_PRECISION_TF32 = 4

    ! Levels of the log.
    integer(c_int32_t), parameter :: EMUCELL_LOG_OFF = 0
    integer(c_int32_t), parameter :: EMUCELL_LOG_ERROR = 1
    integer(c_int32_t), parameter :: EMUCELL_LOG_WARN = 2
    integer(c_int32_t), parameter :: EMUCELL_LOG_INFO = 3
    integer(c_int32_t), parameter :: EMUCELL_LOG_DEBUG = 4

    ! Kinds of surrogates.
    integer(c_int32_t), parameter :: EMUCELL_SOLUTION_MAP = 1
    integer(c_int32_t), parameter :: EMUCELL_STEP_MAP = 2
    integer(c_int32_t), parameter :: EMUCELL_DERIVATIVE = 3

    ! Whether a surrogate was proved against the cell model that it was made from.
    integer(c_int32_t), parameter :: EMUCELL_VERIFIED_UNKNOWN = 0
    integer(c_int32_t), parameter :: EMUCELL_NOT_VERIFIED = 1
    integer(c_int32_t), parameter :: EMUCELL_VERIFIED = 2

    ! Derivatives.
    integer(c_int32_t), parameter :: EMUCELL_JACOBIAN = 1
    integer(c_int32_t), parameter :: EMUCELL_JACOBIAN_VECTOR = 2
    integer(c_int32_t), parameter :: EMUCELL_VECTOR_JACOBIAN = 3

    ! Roles of variables.
    integer(c_int32_t), parameter :: EMUCELL_TIME = 1
    integer(c_int32_t), parameter :: EMUCELL_STATE = 2
    integer(c_int32_t), parameter :: EMUCELL_STIMULUS = 3
    integer(c_int32_t), parameter :: EMUCELL_PARAMETER = 4

    ! Element types: real(c_float) and real(c_double).
    integer(c_int32_t), parameter :: EMUCELL_F32 = 1
    integer(c_int32_t), parameter :: EMUCELL_F64 = 2

    ! Where the numbers of some cells lie: variable j of cell i, both counted from 0, is element
    ! i * cell_stride + j * variable_stride behind data.
    type, bind(c) :: emucell_view
        type(c_ptr) :: data = c_null_ptr
        integer(c_size_t) :: length = 0
        integer(c_size_t) :: cell_stride = 0
        integer(c_size_t) :: variable_stride = 0
        integer(c_int32_t) :: n_variables = 0
        integer(c_int32_t) :: element_type = 0
    end type emucell_view

    ! Cells to advance in place. Call emucell_cells_init() before setting components.
    type, bind(c) :: emucell_cells
        integer(c_int32_t) :: struct_size = 0
        integer(c_int32_t) :: reserved = 0
        integer(c_size_t) :: n_cells = 0
        integer(c_size_t) :: n_rows = 0
        type(emucell_view) :: state
        type(emucell_view) :: stimulus
        type(emucell_view) :: parameters
        type(c_ptr) :: index = c_null_ptr  ! integer(c_int32_t), rows counted from 0
        type(c_ptr) :: status = c_null_ptr ! integer(c_int8_t)
        type(c_ptr) :: state_parts = c_null_ptr ! type(emucell_view)
        integer(c_size_t) :: n_state_parts = 0
        type(c_ptr) :: parameter_parts = c_null_ptr ! type(emucell_view)
        integer(c_size_t) :: n_parameter_parts = 0
    end type emucell_cells

    ! Cells to evaluate. Call emucell_evaluation_init() before setting components.
    type, bind(c) :: emucell_evaluation
        integer(c_int32_t) :: struct_size = 0
        integer(c_int32_t) :: reserved = 0
        integer(c_size_t) :: n_cells = 0
        type(c_ptr) :: inputs = c_null_ptr ! type(emucell_view)
        integer(c_size_t) :: n_inputs = 0
        type(c_ptr) :: outputs = c_null_ptr ! type(emucell_view)
        integer(c_size_t) :: n_outputs = 0
        type(c_ptr) :: status = c_null_ptr ! integer(c_int8_t)
    end type emucell_evaluation

    ! What a session did. Call emucell_counters_init() first.
    type, bind(c) :: emucell_counters
        integer(c_int32_t) :: struct_size = 0
        integer(c_int32_t) :: reserved = 0
        integer(c_int64_t) :: n_calls = 0
        integer(c_int64_t) :: n_cell_steps = 0
        integer(c_int64_t) :: n_outside_domain = 0
        integer(c_int64_t) :: n_not_finite = 0
        integer(c_int64_t) :: n_fallback = 0
    end type emucell_counters

    ! What a fallback is asked to do; see emucell_fallback.
    type, bind(c) :: emucell_fallback_call
        integer(c_int32_t) :: struct_size = 0
        integer(c_int32_t) :: reserved = 0
        integer(c_size_t) :: n_cells = 0
        type(c_ptr) :: rows = c_null_ptr       ! integer(c_int32_t), counted from 0
        type(c_ptr) :: positions = c_null_ptr  ! integer(c_int32_t), counted from 0
        type(c_ptr) :: cells = c_null_ptr      ! type(emucell_cells)
        type(c_ptr) :: evaluation = c_null_ptr ! type(emucell_evaluation)
        real(c_double) :: dt = 0
    end type emucell_fallback_call

    ! How a session computes. Call emucell_session_options_init() before setting components.
    type, bind(c) :: emucell_session_options
        integer(c_int32_t) :: struct_size = 0
        integer(c_int32_t) :: n_threads = 0
        integer(c_int32_t) :: guard = 0
        integer(c_int32_t) :: reserved = 0
        type(c_ptr) :: instruction_set = c_null_ptr ! character(kind=c_char), ends in c_null_char
        type(c_ptr) :: device = c_null_ptr          ! likewise
        integer(c_int32_t) :: backend = 0
        integer(c_int32_t) :: precision = 0
        type(c_ptr) :: stream = c_null_ptr
        integer(c_size_t) :: capacity = 0
        type(c_funptr) :: fallback = c_null_funptr  ! c_funloc() of a procedure as emucell_fallback
        type(c_ptr) :: fallback_data = c_null_ptr
        real(c_double) :: fallback_dt = 0
        type(c_ptr) :: onnxruntime_library = c_null_ptr
        type(c_ptr) :: engine_cache_folder = c_null_ptr
    end type emucell_session_options

    ! What a column of a surrogate's inputs or outputs is; emucell_text() reads name and unit.
    type, bind(c) :: emucell_variable
        type(c_ptr) :: name = c_null_ptr
        type(c_ptr) :: unit = c_null_ptr
        integer(c_int32_t) :: role = 0
        integer(c_int32_t) :: has_range = 0
        real(c_double) :: range_low = 0
        real(c_double) :: range_high = 0
    end type emucell_variable

    ! Procedures that the library calls; they must return (no error stop, no jump out).
    abstract interface
        integer(c_int32_t) function emucell_fallback(data, call) bind(c)
            import :: c_int32_t, c_ptr, emucell_fallback_call
            type(c_ptr), value :: data
            type(emucell_fallback_call), intent(in) :: call
        end function

        subroutine emucell_log(data, level, message) bind(c)
            import :: c_int32_t, c_ptr
            type(c_ptr), value :: data
            integer(c_int32_t), value :: level
            type(c_ptr), value :: message
        end subroutine
    end interface

    interface
        type(c_ptr) function emucell_version() bind(c)
            import :: c_ptr
        end function

        integer(c_int32_t) function emucell_abi_version() bind(c)
            import :: c_int32_t
        end function

        type(c_ptr) function emucell_last_error_message() bind(c)
            import :: c_ptr
        end function

        type(c_ptr) function emucell_status_name(status) bind(c)
            import :: c_int32_t, c_ptr
            integer(c_int32_t), value :: status
        end function

        type(c_ptr) function emucell_status_text(status) bind(c)
            import :: c_int32_t, c_ptr
            integer(c_int32_t), value :: status
        end function

        ! path ends in c_null_char; emucell_load() adds it.
        integer(c_int) function emucell_surrogate_load(path, out) bind(c)
            import :: c_char, c_int, c_ptr
            character(kind=c_char), intent(in) :: path(*)
            type(c_ptr), intent(out) :: out
        end function

        integer(c_int) function emucell_surrogate_load_memory(bytes, size, out) bind(c)
            import :: c_int, c_int8_t, c_ptr, c_size_t
            integer(c_int8_t), intent(in) :: bytes(*)
            integer(c_size_t), value :: size
            type(c_ptr), intent(out) :: out
        end function

        subroutine emucell_surrogate_destroy(surrogate) bind(c)
            import :: c_ptr
            type(c_ptr), intent(inout) :: surrogate
        end subroutine

        integer(c_int) function emucell_surrogate_kind(surrogate, kind, dt) bind(c)
            import :: c_double, c_int, c_int32_t, c_ptr
            type(c_ptr), value :: surrogate
            integer(c_int32_t), intent(inout), optional :: kind
            real(c_double), intent(inout), optional :: dt
        end function

        integer(c_size_t) function emucell_surrogate_n_inputs(surrogate) bind(c)
            import :: c_ptr, c_size_t
            type(c_ptr), value :: surrogate
        end function

        integer(c_size_t) function emucell_surrogate_n_outputs(surrogate) bind(c)
            import :: c_ptr, c_size_t
            type(c_ptr), value :: surrogate
        end function

        ! 0 where each output is one state at one time.
        integer(c_size_t) function emucell_surrogate_n_times(surrogate) bind(c)
            import :: c_ptr, c_size_t
            type(c_ptr), value :: surrogate
        end function

        integer(c_int) function emucell_surrogate_times(surrogate, times, n) bind(c)
            import :: c_double, c_int, c_ptr, c_size_t
            type(c_ptr), value :: surrogate
            real(c_double), intent(inout) :: times(*)
            integer(c_size_t), value :: n
        end function

        ! Variable i, counted from 0.
        integer(c_int) function emucell_surrogate_input(surrogate, i, out) bind(c)
            import :: c_int, c_ptr, c_size_t, emucell_variable
            type(c_ptr), value :: surrogate
            integer(c_size_t), value :: i
            type(emucell_variable), intent(inout) :: out
        end function

        integer(c_int) function emucell_surrogate_output(surrogate, i, out) bind(c)
            import :: c_int, c_ptr, c_size_t, emucell_variable
            type(c_ptr), value :: surrogate
            integer(c_size_t), value :: i
            type(emucell_variable), intent(inout) :: out
        end function

        integer(c_int) function emucell_surrogate_initial_state(surrogate, state, n) bind(c)
            import :: c_double, c_int, c_ptr, c_size_t
            type(c_ptr), value :: surrogate
            real(c_double), intent(inout) :: state(*)
            integer(c_size_t), value :: n
        end function

        type(c_ptr) function emucell_surrogate_provenance(surrogate) bind(c)
            import :: c_ptr
            type(c_ptr), value :: surrogate
        end function

        integer(c_int) function emucell_surrogate_derivative(surrogate, kind, out) bind(c)
            import :: c_int, c_int32_t, c_ptr
            type(c_ptr), value :: surrogate
            integer(c_int32_t), value :: kind
            type(c_ptr), intent(out) :: out
        end function

        type(c_ptr) function emucell_surrogate_cell_model(surrogate) bind(c)
            import :: c_ptr
            type(c_ptr), value :: surrogate
        end function

        ! EMUCELL_VERIFIED_UNKNOWN, EMUCELL_NOT_VERIFIED or EMUCELL_VERIFIED.
        integer(c_int32_t) function emucell_surrogate_verified(surrogate) bind(c)
            import :: c_int32_t, c_ptr
            type(c_ptr), value :: surrogate
        end function

        integer(c_int) function emucell_session_options_init_sized(options, struct_size) bind(c)
            import :: c_int, c_int32_t, emucell_session_options
            type(emucell_session_options), intent(inout) :: options
            integer(c_int32_t), value :: struct_size
        end function

        ! Without options: the defaults.
        integer(c_int) function emucell_session_create(surrogate, options, out) bind(c)
            import :: c_int, c_ptr, emucell_session_options
            type(c_ptr), value :: surrogate
            type(emucell_session_options), intent(in), optional :: options
            type(c_ptr), intent(out) :: out
        end function

        subroutine emucell_session_destroy(session) bind(c)
            import :: c_ptr
            type(c_ptr), intent(inout) :: session
        end subroutine

        type(c_ptr) function emucell_session_name(session) bind(c)
            import :: c_ptr
            type(c_ptr), value :: session
        end function

        integer(c_int) function emucell_session_synchronize(session) bind(c)
            import :: c_int, c_ptr
            type(c_ptr), value :: session
        end function

        integer(c_int) function emucell_counters_init_sized(counters, struct_size) bind(c)
            import :: c_int, c_int32_t, emucell_counters
            type(emucell_counters), intent(inout) :: counters
            integer(c_int32_t), value :: struct_size
        end function

        integer(c_int) function emucell_session_counters(session, counters) bind(c)
            import :: c_int, c_ptr, emucell_counters
            type(c_ptr), value :: session
            type(emucell_counters), intent(inout) :: counters
        end function

        integer(c_int) function emucell_session_reset_counters(session) bind(c)
            import :: c_int, c_ptr
            type(c_ptr), value :: session
        end function

        integer(c_int) function emucell_set_log(log, data, level) bind(c)
            import :: c_funptr, c_int, c_int32_t, c_ptr
            type(c_funptr), value :: log
            type(c_ptr), value :: data
            integer(c_int32_t), value :: level
        end function

        integer(c_int) function emucell_cells_init_sized(cells, struct_size) bind(c)
            import :: c_int, c_int32_t, emucell_cells
            type(emucell_cells), intent(inout) :: cells
            integer(c_int32_t), value :: struct_size
        end function

        integer(c_int) function emucell_step(session, cells, dt, n_steps) bind(c)
            import :: c_double, c_int, c_int32_t, c_ptr, emucell_cells
            type(c_ptr), value :: session
            type(emucell_cells), intent(in) :: cells
            real(c_double), value :: dt
            integer(c_int32_t), value :: n_steps
        end function

        integer(c_int) function emucell_evaluate(session, n_cells, inputs, outputs) bind(c)
            import :: c_int, c_ptr, c_size_t, emucell_view
            type(c_ptr), value :: session
            integer(c_size_t), value :: n_cells
            type(emucell_view), intent(in) :: inputs, outputs
        end function

        integer(c_int) function emucell_evaluate_times(session, n_cells, inputs, times, n_times, outputs) bind(c)
            import :: c_double, c_int, c_ptr, c_size_t, emucell_view
            type(c_ptr), value :: session
            integer(c_size_t), value :: n_cells
            ! None for a map of the time alone.
            type(emucell_view), intent(in), optional :: inputs
            real(c_double), intent(in) :: times(*)
            integer(c_size_t), value :: n_times
            type(emucell_view), intent(in) :: outputs
        end function

        integer(c_int) function emucell_evaluation_init_sized(evaluation, struct_size) bind(c)
            import :: c_int, c_int32_t, emucell_evaluation
            type(emucell_evaluation), intent(inout) :: evaluation
            integer(c_int32_t), value :: struct_size
        end function

        integer(c_int) function emucell_evaluate_parts(session, evaluation) bind(c)
            import :: c_int, c_ptr, emucell_evaluation
            type(c_ptr), value :: session
            type(emucell_evaluation), intent(in) :: evaluation
        end function

        type(emucell_view) function emucell_view_of_structures(data, element_type, n_cells, n_variables) bind(c)
            import :: c_int32_t, c_ptr, c_size_t, emucell_view
            type(c_ptr), value :: data
            integer(c_int32_t), value :: element_type
            integer(c_size_t), value :: n_cells
            integer(c_int32_t), value :: n_variables
        end function

        type(emucell_view) function emucell_view_of_arrays(data, element_type, n_cells, n_variables, pitch) bind(c)
            import :: c_int32_t, c_ptr, c_size_t, emucell_view
            type(c_ptr), value :: data
            integer(c_int32_t), value :: element_type
            integer(c_size_t), value :: n_cells
            integer(c_int32_t), value :: n_variables
            integer(c_size_t), value :: pitch
        end function
    end interface

contains

    ! In C these four are macros that say the size of the struct in the program's header.

    integer(c_int) function emucell_cells_init(cells) result(status)
        type(emucell_cells), intent(inout) :: cells

        status = emucell_cells_init_sized(cells, int(c_sizeof(cells), c_int32_t))
    end function emucell_cells_init

    integer(c_int) function emucell_evaluation_init(evaluation) result(status)
        type(emucell_evaluation), intent(inout) :: evaluation

        status = emucell_evaluation_init_sized(evaluation, int(c_sizeof(evaluation), c_int32_t))
    end function emucell_evaluation_init

    integer(c_int) function emucell_counters_init(counters) result(status)
        type(emucell_counters), intent(inout) :: counters

        status = emucell_counters_init_sized(counters, int(c_sizeof(counters), c_int32_t))
    end function emucell_counters_init

    integer(c_int) function emucell_session_options_init(options) result(status)
        type(emucell_session_options), intent(inout) :: options

        status = emucell_session_options_init_sized(options, int(c_sizeof(options), c_int32_t))
    end function emucell_session_options_init
end module emucell_c
