# Targets, wherever this folder was moved to:
#
#   emucell::emucell         the shared library
#   emucell::static          the static library
#   emucell::fortran         with find_package(emucell COMPONENTS Fortran) in a project with Fortran enabled: the
#   emucell::fortran_static  modules emucell and emucell_c, compiled by the project, with either library

get_filename_component(_emucell_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
set(emucell_FOUND TRUE)

if(NOT TARGET emucell::emucell)
  add_library(emucell::emucell SHARED IMPORTED)
  set_target_properties(emucell::emucell PROPERTIES
    IMPORTED_LOCATION "${_emucell_prefix}/lib/libemucell.so"
    IMPORTED_SONAME "libemucell.so.0"
    INTERFACE_INCLUDE_DIRECTORIES "${_emucell_prefix}/include")
endif()

if(NOT TARGET emucell::static)
  add_library(emucell::static STATIC IMPORTED)
  set_target_properties(emucell::static PROPERTIES
    IMPORTED_LOCATION "${_emucell_prefix}/lib/libemucell.a"
    IMPORTED_LINK_INTERFACE_LANGUAGES C
    INTERFACE_INCLUDE_DIRECTORIES "${_emucell_prefix}/include"
    INTERFACE_LINK_LIBRARIES "pthread;dl;m")
endif()

foreach(_emucell_component IN LISTS emucell_FIND_COMPONENTS)
  if(NOT _emucell_component STREQUAL "Fortran")
    set(emucell_${_emucell_component}_FOUND FALSE)
    if(emucell_FIND_REQUIRED_${_emucell_component})
      set(emucell_FOUND FALSE)
      set(emucell_NOT_FOUND_MESSAGE "emucell has no component ${_emucell_component}, only Fortran")
    endif()
  elseif(NOT CMAKE_Fortran_COMPILER_LOADED)
    set(emucell_Fortran_FOUND FALSE)
    if(emucell_FIND_REQUIRED_Fortran)
      set(emucell_FOUND FALSE)
      set(emucell_NOT_FOUND_MESSAGE "emucell's component Fortran needs enable_language(Fortran) before find_package")
    endif()
  else()
    # Compiled modules are of one compiler only, so the project compiles them: once, though several of its folders may
    # look for the package.
    if(NOT TARGET emucell_fortran)
      add_library(emucell_fortran STATIC EXCLUDE_FROM_ALL
        "${_emucell_prefix}/share/emucell/fortran/emucell_c.f90"
        "${_emucell_prefix}/share/emucell/fortran/emucell.f90")
      set_target_properties(emucell_fortran PROPERTIES
        POSITION_INDEPENDENT_CODE ON
        Fortran_MODULE_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/emucell_fortran")
      target_include_directories(emucell_fortran INTERFACE "${CMAKE_CURRENT_BINARY_DIR}/emucell_fortran")
    endif()
    if(NOT TARGET emucell::fortran)
      add_library(emucell::fortran INTERFACE IMPORTED)
      set_target_properties(emucell::fortran PROPERTIES
        INTERFACE_LINK_LIBRARIES "emucell_fortran;emucell::emucell")
      add_library(emucell::fortran_static INTERFACE IMPORTED)
      set_target_properties(emucell::fortran_static PROPERTIES
        INTERFACE_LINK_LIBRARIES "emucell_fortran;emucell::static")
    endif()
    set(emucell_Fortran_FOUND TRUE)
  endif()
endforeach()

unset(_emucell_component)
unset(_emucell_prefix)
