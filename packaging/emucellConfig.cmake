# Targets emucell::emucell (shared) and emucell::static, wherever this folder was moved to.

get_filename_component(_emucell_prefix "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

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
    INTERFACE_INCLUDE_DIRECTORIES "${_emucell_prefix}/include"
    INTERFACE_LINK_LIBRARIES "gcc_s;pthread;dl;m")
endif()

unset(_emucell_prefix)
