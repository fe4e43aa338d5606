! Steps cells in Fortran: paced cells at different thresholds of excitation, u and w in double precision as
! state(cell, variable), with a surrogate of the cubic FitzHugh-Nagumo model in place of its equations, and the
! equations beside it to compare with.
!
!     04_step models/fhn_cubic_step.onnx

program step
    use emucell
    implicit none

    integer, parameter :: n_cells = 100, n_halo = 2, n_steps = 500, n_substeps = 100
    ! A simulator's arrays have cells that belong to a neighbour: sections of them are views.
    real(c_double), target :: state(1 - n_halo:n_cells + n_halo, 2), stimulus(n_cells)
    integer(c_int8_t), target :: status(n_cells)
    real(c_double) :: u(n_cells), w(n_cells), dt, error
    type(c_ptr) :: surrogate, session
    type(emucell_session_options) :: options
    type(emucell_cells) :: cells
    type(emucell_counters) :: counters
    type(emucell_variable) :: variable
    integer(c_int32_t) :: kind
    integer(c_size_t) :: i
    integer :: k, n_bad
    character(:), allocatable :: message
    character(1000) :: path

    if (command_argument_count() /= 1) then
        print "(a)", "usage: 04_step SURROGATE.onnx"
        stop 2
    end if
    call get_command_argument(1, path)

    ! Without a second argument emucell_check prints what went wrong, and stops.
    call emucell_check(emucell_load(path, surrogate))
    call emucell_check(emucell_surrogate_kind(surrogate, kind, dt))
    if (kind /= EMUCELL_STEP_MAP) error stop "this example needs a step map"
    do i = 0, emucell_surrogate_n_inputs(surrogate) - 1
        call emucell_check(emucell_surrogate_input(surrogate, i, variable))
        print "(a, ' [', a, ']  ', f5.2, ' ... ', f5.2)", emucell_text(variable%name), emucell_text(variable%unit), &
            variable%range_low, variable%range_high
    end do

    call emucell_check(emucell_session_options_init(options))
    options%guard = EMUCELL_GUARD_COUNT
    call emucell_check(emucell_session_create(surrogate, options, session))

    ! Every cell gets a pulse of its own strength for 2 ms, above the background of an excitable tissue.
    state = 0
    u = 0
    w = 0
    call emucell_check(emucell_cells_init(cells))
    cells%n_cells = n_cells
    cells%state = emucell_arrays(state(1:n_cells, :))
    cells%stimulus = emucell_arrays(stimulus)
    cells%status = c_loc(status)
    error = 0
    n_bad = 0
    do k = 1, n_steps
        stimulus = 0.06d0
        if (k*dt <= 2) stimulus = [(0.06d0 + 0.06d0*i/n_cells, i=1, n_cells)]
        call emucell_check(emucell_step(session, cells, dt, 1))
        call euler(u, w, stimulus, dt)
        error = max(error, maxval(abs(state(1:n_cells, 1) - u)))
        n_bad = n_bad + count(status /= 0)
    end do

    call emucell_check(emucell_counters_init(counters))
    call emucell_check(emucell_session_counters(session, counters))
    print "(i0, ' cells, ', i0, ' steps of ', f4.2, ' ms on ', a)", n_cells, n_steps, dt, &
        emucell_text(emucell_session_name(session))
    print "('u of the last cell ', f9.6, ', solver ', f9.6)", state(n_cells, 1), u(n_cells)
    print "('largest difference of u ', es9.2)", error
    print "(i0, ' of ', i0, ' cell steps outside the domain')", counters%n_outside_domain, counters%n_cell_steps
    if (counters%n_outside_domain /= n_bad) error stop "the status bytes say otherwise"
    if (any(abs(state(:0, :)) > 0) .or. any(abs(state(n_cells + 1:, :)) > 0)) error stop "halo cells were changed"
    if (.not. error < 0.05) error stop "the surrogate is not this cell model"

    ! With a second argument the program goes on, and the state is as it was.
    call emucell_check(emucell_step(session, cells, 2*dt, 1), message)
    print "(2a)", "another step: ", message

    call emucell_session_destroy(session)
    call emucell_surrogate_destroy(surrogate)

contains

    ! Forward Euler with steps of dt / n_substeps.
    elemental subroutine euler(u, w, s, dt)
        real(c_double), intent(inout) :: u, w
        real(c_double), intent(in) :: s, dt
        real(c_double) :: du, dw
        integer :: i

        do i = 1, n_substeps
            du = 10*(u*(u - 0.4d0)*(1 - u) - w + s)
            dw = 0.04d0*u - 0.16d0*w
            u = u + dt/n_substeps*du
            w = w + dt/n_substeps*dw
        end do
    end subroutine euler
end program step
