! Prints the version of the library.
program paced
    use emucell
    implicit none

    print "(a)", emucell_text(emucell_version())
end program paced
