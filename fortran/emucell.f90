! emucell: neural surrogates of cardiac cell models from Fortran. All of the C ABI (module
! emucell_c, names as in emucell.h), and what a Fortran program would otherwise write itself:
! errors as text, file names, and views of arrays and their sections.
!
!     use emucell
!     type(c_ptr) :: surrogate, session
!     type(emucell_cells) :: cells
!     real(c_double), target :: state(n_cells, 2), stimulus(n_cells)
!
!     call emucell_check(emucell_load("fhn.onnx", surrogate))
!     call emucell_check(emucell_session_create(surrogate, out=session))
!     call emucell_check(emucell_cells_init(cells))
!     cells%n_cells = n_cells
!     cells%state = emucell_arrays(state)
!     cells%stimulus = emucell_arrays(stimulus)
!     call emucell_check(emucell_step(session, cells, 0.1_c_double, 1))
!
! Files of compiled modules belong to one compiler: the sources are installed instead, and are
! compiled with the program. Views lead to arrays and do not keep them alive.

module emucell
    use, intrinsic :: iso_c_binding
    use, intrinsic :: iso_fortran_env, only: error_unit
    use emucell_c
    implicit none
    public
    private :: error_unit, no_elements, make_view, exchanged, address, nothing
    private :: arrays_f32, arrays_f64, arrays_f32_one, arrays_f64_one
    private :: structures_f32, structures_f64, one_for_all_f32, one_for_all_f64

    ! A view of array(cell, variable), or of array(cell) where there is one variable.
    interface emucell_arrays
        module procedure arrays_f32, arrays_f64, arrays_f32_one, arrays_f64_one
    end interface

    ! A view of array(variable, cell).
    interface emucell_structures
        module procedure structures_f32, structures_f64
    end interface

    ! A view of array(variable), the same numbers for every cell of a call.
    interface emucell_one_for_all
        module procedure one_for_all_f32, one_for_all_f64
    end interface

    ! Where a view of no elements leads: C takes no null for a view that is given.
    real(c_double), target, save :: nothing(1) = 0

contains

    ! A text of C's as a Fortran string; empty for a null pointer.
    function emucell_text(text) result(string)
        type(c_ptr), intent(in) :: text
        character(:), allocatable :: string
        character(kind=c_char), pointer :: letters(:)
        integer :: i
        interface
            integer(c_size_t) function strlen(text) bind(c)
                import :: c_ptr, c_size_t
                type(c_ptr), value :: text
            end function
        end interface

        if (.not. c_associated(text)) then
            string = ""
            return
        end if
        call c_f_pointer(text, letters, [strlen(text)])
        allocate (character(size(letters)) :: string)
        do i = 1, size(letters)
            string(i:i) = letters(i)
        end do
    end function emucell_text

    ! What went wrong in this thread's last failing call, where, and what to do about it.
    function emucell_message() result(message)
        character(:), allocatable :: message

        message = emucell_text(emucell_last_error_message())
    end function emucell_message

    ! Puts the message of a status that is not EMUCELL_OK into message (empty if it is), or prints it
    ! and stops the program if there is no message.
    subroutine emucell_check(status, message)
        integer(c_int), intent(in) :: status
        character(:), allocatable, intent(out), optional :: message

        if (present(message)) message = ""
        if (status == EMUCELL_OK) return
        if (present(message)) then
            message = emucell_message()
        else
            write (error_unit, "(3a)") emucell_text(emucell_status_name(status)), ": ", emucell_message()
            error stop 1
        end if
    end subroutine emucell_check

    ! emucell_surrogate_load() for the name of a file; blanks at its end do not count.
    integer(c_int) function emucell_load(path, surrogate) result(status)
        character(*), intent(in) :: path
        type(c_ptr), intent(out) :: surrogate

        status = emucell_surrogate_load(trim(path)//c_null_char, surrogate)
    end function emucell_load

    ! Neighbouring elements tell the strides, so that sections of arrays (without halo cells, say)
    ! are views as well. Dummies are pointers because the arrays must be targets.

    type(emucell_view) function arrays_f32(array) result(view)
        real(c_float), pointer, intent(in) :: array(:, :)
        type(c_ptr) :: first, next_cell, next_variable

        call no_elements(first, next_cell, next_variable)
        if (size(array) > 0) then
            associate (i => lbound(array, 1), j => lbound(array, 2), last => ubound(array))
                first = c_loc(array(i, j))
                next_cell = c_loc(array(min(i + 1, last(1)), j))
                next_variable = c_loc(array(i, min(j + 1, last(2))))
            end associate
        end if
        view = make_view(EMUCELL_F32, shape(array), first, next_cell, next_variable)
    end function arrays_f32

    type(emucell_view) function arrays_f32_one(array) result(view)
        real(c_float), pointer, intent(in) :: array(:)
        type(c_ptr) :: first, next_cell, next_variable

        call no_elements(first, next_cell, next_variable)
        if (size(array) > 0) then
            associate (i => lbound(array, 1))
                first = c_loc(array(i))
                next_cell = c_loc(array(min(i + 1, ubound(array, 1))))
            end associate
        end if
        view = make_view(EMUCELL_F32, [size(array), 1], first, next_cell, next_variable)
    end function arrays_f32_one

    type(emucell_view) function structures_f32(array) result(view)
        real(c_float), pointer, intent(in) :: array(:, :)

        view = exchanged(arrays_f32(array), size(array, 1))
    end function structures_f32

    type(emucell_view) function one_for_all_f32(array) result(view)
        real(c_float), pointer, intent(in) :: array(:)

        view = exchanged(arrays_f32_one(array), size(array))
        view%cell_stride = 0
    end function one_for_all_f32

    type(emucell_view) function arrays_f64(array) result(view)
        real(c_double), pointer, intent(in) :: array(:, :)
        type(c_ptr) :: first, next_cell, next_variable

        call no_elements(first, next_cell, next_variable)
        if (size(array) > 0) then
            associate (i => lbound(array, 1), j => lbound(array, 2), last => ubound(array))
                first = c_loc(array(i, j))
                next_cell = c_loc(array(min(i + 1, last(1)), j))
                next_variable = c_loc(array(i, min(j + 1, last(2))))
            end associate
        end if
        view = make_view(EMUCELL_F64, shape(array), first, next_cell, next_variable)
    end function arrays_f64

    type(emucell_view) function arrays_f64_one(array) result(view)
        real(c_double), pointer, intent(in) :: array(:)
        type(c_ptr) :: first, next_cell, next_variable

        call no_elements(first, next_cell, next_variable)
        if (size(array) > 0) then
            associate (i => lbound(array, 1))
                first = c_loc(array(i))
                next_cell = c_loc(array(min(i + 1, ubound(array, 1))))
            end associate
        end if
        view = make_view(EMUCELL_F64, [size(array), 1], first, next_cell, next_variable)
    end function arrays_f64_one

    type(emucell_view) function structures_f64(array) result(view)
        real(c_double), pointer, intent(in) :: array(:, :)

        view = exchanged(arrays_f64(array), size(array, 1))
    end function structures_f64

    type(emucell_view) function one_for_all_f64(array) result(view)
        real(c_double), pointer, intent(in) :: array(:)

        view = exchanged(arrays_f64_one(array), size(array))
        view%cell_stride = 0
    end function one_for_all_f64

    subroutine no_elements(first, next_cell, next_variable)
        type(c_ptr), intent(out) :: first, next_cell, next_variable

        first = c_loc(nothing)
        next_cell = first
        next_variable = first
    end subroutine no_elements

    ! A view of n(1) cells of n(2) variables. One that runs backwards has no data: calls refuse it.
    type(emucell_view) function make_view(element_type, n, first, next_cell, next_variable) result(view)
        integer(c_int32_t), intent(in) :: element_type
        integer, intent(in) :: n(2)
        type(c_ptr), intent(in) :: first, next_cell, next_variable
        integer(c_size_t) :: strides(2), bytes

        bytes = merge(4, 8, element_type == EMUCELL_F32)
        strides = ([address(next_cell), address(next_variable)] - address(first))/bytes
        ! A single cell or variable has no neighbour, and a stride of 0 would let it serve many.
        where (n == 1 .or. any(n == 0)) strides = 1
        if (all(strides > 0)) view%data = first
        view%length = merge(1 + dot_product(int(n, c_size_t) - 1, strides), 0_c_size_t, all(n > 0))
        view%cell_stride = strides(1)
        view%variable_stride = strides(2)
        view%n_variables = int(n(2), c_int32_t)
        view%element_type = element_type
    end function make_view

    ! The view with cells for variables, n of them, and variables for cells.
    pure type(emucell_view) function exchanged(view, n_variables) result(other)
        type(emucell_view), intent(in) :: view
        integer, intent(in) :: n_variables

        other = view
        other%cell_stride = view%variable_stride
        other%variable_stride = view%cell_stride
        other%n_variables = int(n_variables, c_int32_t)
    end function exchanged

    pure integer(c_intptr_t) function address(pointer)
        type(c_ptr), intent(in) :: pointer

        address = transfer(pointer, address)
    end function address
end module emucell
