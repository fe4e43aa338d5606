! Every function of the C ABI from Fortran, with arrays in both orders, sections, and callbacks.
! Prints nothing when all is well.
!
! Arguments: fhn_euler_coarse.onnx formula_network.onnx

module callbacks
    use emucell
    implicit none

    ! What the fallback of this test is given: the state that it works on, and what it did.
    type :: notes
        real(c_double), pointer :: state(:, :)
        integer :: n_calls = 0
        integer :: n_cells = 0
        logical :: fails = .false.
    end type notes

contains

    ! Marks the cells that it was asked to compute.
    integer(c_int32_t) function mark(data, call) bind(c) result(code)
        type(c_ptr), value :: data
        type(emucell_fallback_call), intent(in) :: call
        type(notes), pointer :: note
        integer(c_int32_t), pointer :: rows(:)
        integer :: i

        call c_f_pointer(data, note)
        call c_f_pointer(call%rows, rows, [call%n_cells])
        do i = 1, size(rows)
            note%state(rows(i) + 1, 1) = -7
        end do
        note%n_calls = note%n_calls + 1
        note%n_cells = note%n_cells + size(rows)
        code = merge(1, 0, note%fails .or. .not. c_associated(call%cells) .or. c_associated(call%evaluation))
    end function mark

    ! Counts messages.
    subroutine listen(data, level, message) bind(c)
        type(c_ptr), value :: data
        integer(c_int32_t), value :: level
        type(c_ptr), value :: message
        integer, pointer :: n

        call c_f_pointer(data, n)
        if (len(emucell_text(message)) == 0 .or. level < EMUCELL_LOG_ERROR .or. level > EMUCELL_LOG_DEBUG) return
        n = n + 1
    end subroutine listen
end module callbacks

program client
    use emucell
    use callbacks
    implicit none

    character(1000) :: step_map, network
    integer :: n_failures = 0

    call get_command_argument(1, step_map)
    call get_command_argument(2, network)
    call description()
    call errors()
    call layouts()
    call rows_and_parts()
    call fallbacks()
    call evaluation()
    call derivatives()
    if (n_failures > 0) error stop 1

contains

    subroutine check(condition, what)
        logical, intent(in) :: condition
        character(*), intent(in) :: what

        if (condition) return
        print "(2a)", "not so: ", what
        n_failures = n_failures + 1
    end subroutine check

    ! One forward Euler step of 0.1 ms of the cubic FitzHugh-Nagumo model.
    elemental subroutine euler(u, w, s)
        real(c_double), intent(inout) :: u, w
        real(c_double), intent(in) :: s
        real(c_double) :: du, dw

        du = 10*(u*(u - 0.4d0)*(1 - u) - w + s)
        dw = 0.04d0*u - 0.16d0*w
        u = u + 0.1d0*du
        w = w + 0.1d0*dw
    end subroutine euler

    type(c_ptr) function loaded(path) result(surrogate)
        character(*), intent(in) :: path

        call emucell_check(emucell_load(path, surrogate))
    end function loaded

    subroutine description()
        type(c_ptr) :: surrogate, copy, session
        type(emucell_variable) :: v
        integer(c_int32_t) :: kind
        integer(c_int8_t), allocatable :: bytes(:)
        real(c_double) :: dt, state(2)
        integer :: unit
        integer(c_size_t) :: size

        surrogate = loaded(step_map)
        call check(emucell_abi_version() == EMUCELL_HEADER_ABI_VERSION, "versions of the ABI")
        call check(index(emucell_text(emucell_version()), ".") > 0, "version")
        call check(emucell_surrogate_kind(surrogate, kind, dt) == EMUCELL_OK, "kind")
        call check(kind == EMUCELL_STEP_MAP .and. abs(dt - 0.1d0) < 1d-12, "step map of 0.1 ms")
        dt = 0
        call check(emucell_surrogate_kind(surrogate, dt=dt) == EMUCELL_OK .and. dt > 0, "dt alone")
        call check(emucell_surrogate_n_inputs(surrogate) == 3, "inputs")
        call check(emucell_surrogate_n_outputs(surrogate) == 2, "outputs")
        call check(emucell_surrogate_input(surrogate, 2_c_size_t, v) == EMUCELL_OK, "input 2")
        call check(emucell_text(v%name) == "s", "name")
        call check(emucell_text(v%unit) == "1", "unit")
        call check(v%role == EMUCELL_STIMULUS .and. v%has_range == 1, "role")
        call check(abs(v%range_high - 0.12d0) < 1d-12, "range")
        call check(emucell_surrogate_output(surrogate, 1_c_size_t, v) == EMUCELL_OK, "output 1")
        call check(emucell_text(v%name) == "w", "name of output 1")
        call check(emucell_surrogate_n_times(surrogate) == 0, "outputs of one time")
        call check(emucell_surrogate_times(surrogate, state, 1_c_size_t) == EMUCELL_INVALID_ARGUMENT, "no times")
        state = -1
        call check(emucell_surrogate_initial_state(surrogate, state, 2_c_size_t) == EMUCELL_OK, "initial state")
        call check(maxval(abs(state)) <= 0, "initial state is 0")
        call check(index(emucell_text(emucell_surrogate_provenance(surrogate)), "forward Euler") > 0, "provenance")
        call check(emucell_text(emucell_surrogate_cell_model(surrogate)) == "fhn_cubic", "cell model")
        call check(emucell_text(c_null_ptr) == "", "no text")
        call check(emucell_surrogate_verified(surrogate) == EMUCELL_VERIFIED_UNKNOWN, "nothing claimed")

        inquire (file=step_map, size=size)
        allocate (bytes(size))
        open (newunit=unit, file=step_map, access="stream", status="old", action="read")
        read (unit) bytes
        close (unit)
        call check(emucell_surrogate_load_memory(bytes, size, copy) == EMUCELL_OK, "from memory")
        call emucell_check(emucell_session_create(copy, out=session))
        call emucell_surrogate_destroy(copy)
        call check(.not. c_associated(copy), "destroyed handles are null")
        call check(index(emucell_text(emucell_session_name(session)), "cpu") > 0, "name of the session")
        call check(emucell_session_synchronize(session) == EMUCELL_OK, "synchronize")
        call emucell_session_destroy(session)
        call emucell_surrogate_destroy(surrogate)
    end subroutine description

    subroutine errors()
        type(c_ptr) :: surrogate, session
        type(emucell_session_options) :: options
        character(:), allocatable :: message
        character(kind=c_char), target :: abacus(7) = ["a", "b", "a", "c", "u", "s", c_null_char]

        call emucell_check(emucell_load("no/such/file.onnx", surrogate), message)
        call check(index(message, "no/such/file.onnx") > 0, "message of a missing file")
        call check(message == emucell_message(), "the same message")
        call check(emucell_load("no/such/file.onnx", surrogate) == EMUCELL_IO, "status of a missing file")
        call check(emucell_text(emucell_status_name(EMUCELL_IO)) == "EMUCELL_IO", "name of a status")
        call check(len(emucell_text(emucell_status_text(EMUCELL_IO))) > 0, "text of a status")
        surrogate = loaded(step_map)
        call check(emucell_session_options_init(options) == EMUCELL_OK, "options")
        call check(options%struct_size == c_sizeof(options) .and. options%n_threads == 1, "size of options")
        options%instruction_set = c_loc(abacus)
        call check(emucell_session_create(surrogate, options, session) == EMUCELL_UNSUPPORTED, "abacus")
        call emucell_check(EMUCELL_OK, message)
        call check(message == "", "no message")
        call emucell_surrogate_destroy(surrogate)
    end subroutine errors

    ! Both orders, both element types, sections and constants give what the equations give.
    subroutine layouts()
        integer, parameter :: n = 37
        real(c_double), target :: arrays(n, 2), structures(2, n), padded(0:n + 5, 3), every(3, 2*n), s(n), s2(2, n)
        real(c_float), target :: arrays32(n, 2), structures32(2, n), s32(n), one(1) = [0.05]
        real(c_double) :: u(n), w(n), u1(n), w1(n)
        real(c_double), allocatable, target :: none(:, :)
        type(c_ptr) :: surrogate, session
        type(emucell_view) :: view
        integer :: i

        surrogate = loaded(step_map)
        call emucell_check(emucell_session_create(surrogate, out=session))
        u = [(0.02d0*i, i=1, n)]
        w = [(0.004d0*i, i=1, n)]
        s = [(0.003d0*i, i=1, n)]
        s2(1, :) = -1
        s2(2, :) = s
        arrays(:, 1) = u
        arrays(:, 2) = w
        structures = transpose(arrays)
        padded = 9
        padded(3:n + 2, 1:3:2) = arrays
        every = 9
        every(2:3, ::2) = structures
        arrays32 = real(arrays, c_float)
        structures32 = real(structures, c_float)
        s32 = real(s, c_float)
        u1 = u
        w1 = w
        call euler(u1, w1, s)

        call step(session, emucell_arrays(arrays), emucell_arrays(s), n)
        call check(maxval(abs(arrays(:, 1) - u1) + abs(arrays(:, 2) - w1)) < 1d-6, "arrays")
        call step(session, emucell_structures(structures), emucell_arrays(s2(2, :)), n)
        call check(maxval(abs(transpose(structures) - arrays)) <= 0, "structures")
        call step(session, emucell_arrays(padded(3:n + 2, 1:3:2)), emucell_arrays(s), n)
        call check(maxval(abs(padded(3:n + 2, 1:3:2) - arrays)) <= 0, "section of arrays")
        padded(3:n + 2, 1:3:2) = 9
        call check(maxval(abs(padded - 9)) <= 0, "outside the section of arrays")
        call step(session, emucell_structures(every(2:3, ::2)), emucell_structures(s2(2:2, :)), n)
        call check(maxval(abs(transpose(every(2:3, ::2)) - arrays)) <= 0, "section of structures")
        every(2:3, ::2) = 9
        call check(maxval(abs(every - 9)) <= 0, "outside the section of structures")
        call step(session, emucell_arrays(arrays32), emucell_arrays(s32), n)
        call check(maxval(abs(arrays32 - arrays)) < 1e-6, "arrays of float")
        call step(session, emucell_structures(structures32), emucell_arrays(s32), n)
        call check(maxval(abs(transpose(structures32) - arrays32)) <= 0, "structures of float")
        call step(session, emucell_view_of_arrays(c_loc(arrays32), EMUCELL_F32, int(n, c_size_t), 2, int(n, c_size_t)), &
                  emucell_one_for_all(one), n)
        call step(session, emucell_view_of_structures(c_loc(structures32), EMUCELL_F32, int(n, c_size_t), 2), &
                  emucell_one_for_all(one), n)
        call check(maxval(abs(transpose(structures32) - arrays32)) <= 0, "the library's own views")

        ! What is no view is refused; what is empty is nothing to do.
        view = emucell_arrays(arrays(n:1:-1, :))
        call check(.not. c_associated(view%data), "a section that runs backwards")
        view = emucell_arrays(arrays(1:1, :))
        call check(view%length == 1 + n .and. view%cell_stride == 1 .and. view%variable_stride == n, "a single cell")
        allocate (none(0, 2))
        call step(session, emucell_arrays(none), emucell_arrays(s(1:0)), 0)
        call emucell_session_destroy(session)
        call emucell_surrogate_destroy(surrogate)
    end subroutine layouts

    subroutine step(session, state, stimulus, n)
        type(c_ptr), intent(in) :: session
        type(emucell_view), intent(in) :: state, stimulus
        integer, intent(in) :: n
        type(emucell_cells) :: cells

        call emucell_check(emucell_cells_init(cells))
        cells%n_cells = n
        cells%state = state
        cells%stimulus = stimulus
        call emucell_check(emucell_step(session, cells, 0.1d0, 1))
    end subroutine step

    ! An index list, status bytes, a state in two allocations, counters, and the log.
    subroutine rows_and_parts()
        real(c_double), target :: u(10), w(10), s(3)
        integer(c_int32_t), target :: index(3) = [7, 0, 4]
        integer(c_int8_t), target :: status(3)
        type(emucell_view), target :: parts(2)
        type(emucell_cells) :: cells
        type(emucell_counters) :: counters
        type(c_ptr) :: surrogate, session
        integer, target :: n_messages
        integer :: i

        n_messages = 0
        call check(emucell_set_log(c_funloc(listen), c_loc(n_messages), EMUCELL_LOG_DEBUG) == EMUCELL_OK, "log")
        surrogate = loaded(step_map)
        call emucell_check(emucell_session_create(surrogate, out=session))
        u = 0.5d0
        u(8) = 5
        w = 0
        s = 0
        parts = [emucell_arrays(u), emucell_arrays(w)]
        call emucell_check(emucell_cells_init(cells))
        cells%n_cells = 3
        cells%n_rows = 10
        cells%state_parts = c_loc(parts)
        cells%n_state_parts = 2
        cells%stimulus = emucell_arrays(s)
        cells%index = c_loc(index)
        cells%status = c_loc(status)
        call emucell_check(emucell_step(session, cells, 0.1d0, 1))
        call check(all([(abs(u(i) - 0.5d0) > 0 .eqv. any(index + 1 == i), i=1, 10)]), "rows of the list")
        call check(all(status == [EMUCELL_CELL_OUTSIDE_DOMAIN, 0_c_int8_t, 0_c_int8_t]), "status bytes")
        call emucell_check(emucell_counters_init(counters))
        call emucell_check(emucell_session_counters(session, counters))
        call check(counters%n_calls == 1 .and. counters%n_cell_steps == 3, "counters of calls")
        call check(counters%n_outside_domain == 1 .and. counters%n_not_finite == 0, "counters of cells")
        call emucell_check(emucell_session_reset_counters(session))
        call emucell_check(emucell_session_counters(session, counters))
        call check(counters%n_calls == 0, "counters after their reset")
        call check(n_messages > 0, "messages")
        call emucell_check(emucell_set_log(c_null_funptr, c_null_ptr, EMUCELL_LOG_OFF))
        call emucell_session_destroy(session)
        call emucell_surrogate_destroy(surrogate)
    end subroutine rows_and_parts

    subroutine fallbacks()
        real(c_double), target :: state(20, 2), s(1) = [0.0d0]
        type(emucell_session_options) :: options
        type(emucell_cells) :: cells
        type(notes), target :: note
        type(c_ptr) :: surrogate, session
        character(:), allocatable :: message

        surrogate = loaded(step_map)
        call emucell_check(emucell_session_options_init(options))
        options%guard = EMUCELL_GUARD_FALLBACK
        options%fallback = c_funloc(mark)
        options%fallback_data = c_loc(note)
        options%capacity = 20
        call emucell_check(emucell_session_create(surrogate, options, session))
        state = 0
        state(3:9:3, 1) = 2
        note%state => state
        call emucell_check(emucell_cells_init(cells))
        cells%n_cells = 20
        cells%state = emucell_arrays(state)
        cells%stimulus = emucell_one_for_all(s)
        call emucell_check(emucell_step(session, cells, 0.1d0, 1))
        call check(note%n_calls == 1 .and. note%n_cells == 3, "calls of the fallback")
        call check(all(abs(state(3:9:3, 1) + 7) <= 0) .and. count(abs(state(:, 1)) > 0) == 3, "cells of the fallback")
        note%fails = .true.
        call emucell_check(emucell_step(session, cells, 0.1d0, 1), message)
        call check(index(message, "fallback") > 0, "message of a fallback that fails")
        call check(emucell_step(session, cells, 0.1d0, 1) == EMUCELL_CALLBACK, "status of a fallback that fails")
        call emucell_session_destroy(session)
        call emucell_surrogate_destroy(surrogate)
    end subroutine fallbacks

    ! The Jacobian of one Euler step, whose second row is constant.
    subroutine derivatives()
        real(c_double), target :: x(3, 1), y(2 + 2*3, 1)
        type(c_ptr) :: surrogate, jacobian, session
        integer(c_int32_t) :: kind

        surrogate = loaded(step_map)
        call emucell_check(emucell_surrogate_derivative(surrogate, EMUCELL_JACOBIAN, jacobian))
        call emucell_check(emucell_surrogate_kind(jacobian, kind))
        call check(kind == EMUCELL_DERIVATIVE, "kind of a derivative")
        call emucell_check(emucell_session_create(jacobian, out=session))
        x(:, 1) = [0.3d0, 0.05d0, 0.02d0]
        call emucell_check(emucell_evaluate(session, 1_c_size_t, emucell_structures(x), emucell_structures(y)))
        call check(maxval(abs(y(6:8, 1) - [0.004d0, 0.984d0, 0d0])) < 1d-6, "Jacobian")
        call emucell_session_destroy(session)
        call emucell_surrogate_destroy(jacobian)
        call emucell_surrogate_destroy(surrogate)
    end subroutine derivatives

    ! A solution map: inputs in one array, and in parts with one time for all.
    subroutine evaluation()
        integer, parameter :: n = 9
        real(c_double), target :: inputs(3, n), u(n), w(n), time(1) = [3.0d0]
        real(c_float), target :: outputs(n, 2), y(n), z(n)
        type(emucell_view), target :: input_parts(3), output_parts(2)
        type(emucell_evaluation) :: parts
        integer(c_int8_t), target :: status(n)
        type(c_ptr) :: surrogate, session
        integer :: i

        surrogate = loaded(network)
        call emucell_check(emucell_session_create(surrogate, out=session))
        u = [(0.05d0*i, i=1, n)]
        w = [(0.01d0*i, i=1, n)]
        inputs(1, :) = time(1)
        inputs(2, :) = u
        inputs(3, :) = w
        call emucell_check(emucell_evaluate(session, int(n, c_size_t), emucell_structures(inputs), emucell_arrays(outputs)))
        input_parts = [emucell_one_for_all(time), emucell_arrays(u), emucell_arrays(w)]
        output_parts = [emucell_arrays(y), emucell_arrays(z)]
        call emucell_check(emucell_evaluation_init(parts))
        parts%n_cells = n
        parts%inputs = c_loc(input_parts)
        parts%n_inputs = 3
        parts%outputs = c_loc(output_parts)
        parts%n_outputs = 2
        parts%status = c_loc(status)
        status = -1
        call emucell_check(emucell_evaluate_parts(session, parts))
        call check(maxval(abs(outputs(:, 1) - y) + abs(outputs(:, 2) - z)) <= 0, "parts")
        call check(maxval(abs(y - y(1))) > 0, "cells differ")
        call check(all(status == 0), "status of parts")
        call many_times(session, reshape([u, w], [n, 2]))
        call emucell_session_destroy(session)
        call emucell_surrogate_destroy(surrogate)
    end subroutine evaluation

    ! The same cells at two times at once.
    subroutine many_times(session, cells)
        type(c_ptr), intent(in) :: session
        real(c_double), intent(in), target :: cells(:, :)
        real(c_double), target :: inputs(3, size(cells, 1)), expected(2, size(cells, 1))
        real(c_double), target :: states(2, 2, size(cells, 1))
        real(c_double), pointer :: outputs(:, :), without_time(:, :)
        real(c_double), parameter :: times(2) = [3d0, 8d0]
        integer(c_size_t) :: n
        integer :: k

        n = size(cells, 1, c_size_t)
        without_time => cells
        outputs(1:4, 1:size(cells, 1)) => states
        call emucell_check(emucell_evaluate_times(session, n, emucell_arrays(without_time), times, 2_c_size_t, &
                                                  emucell_structures(outputs)))
        inputs(2:3, :) = transpose(cells)
        do k = 1, 2
            inputs(1, :) = times(k)
            call emucell_check(emucell_evaluate(session, n, emucell_structures(inputs), emucell_structures(expected)))
            call check(maxval(abs(states(:, k, :) - expected)) <= 0, "many times")
        end do
        call check(emucell_evaluate_times(session, n, inputs=emucell_arrays(without_time), times=times, &
                                          n_times=1_c_size_t, outputs=emucell_structures(outputs)) &
                   == EMUCELL_INVALID_ARGUMENT, "outputs of two times for one")
        call check(emucell_evaluate_times(session, n, times=times, n_times=2_c_size_t, &
                                          outputs=emucell_structures(outputs)) &
                   == EMUCELL_INVALID_ARGUMENT, "many times without inputs")
    end subroutine many_times
end program client
