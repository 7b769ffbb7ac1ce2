# gw_library(name SOURCES ... [PUBLIC_DEPS ...] [PRIVATE_DEPS ...])
# Static library `name`, alias gw::name; include paths start at the repository root.
function(gw_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;PUBLIC_DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  add_library(gw::${name} ALIAS ${name})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ARG_PUBLIC_DEPS} PRIVATE ${ARG_PRIVATE_DEPS} gw_warnings)
endfunction()

# gw_test(name SOURCES ... DEPS ... [LABELS ...]): a doctest program, one ctest case.
function(gw_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} gw::test_support gw_warnings)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT 300)
endfunction()

# gw_fuzz_target(name SOURCES ... DEPS ... SEEDS dir): a libFuzzer program, built with GW_FUZZ.
# With GCC or without GW_FUZZ nothing is built.
function(gw_fuzz_target name)
  if(NOT GW_FUZZ)
    return()
  endif()
  cmake_parse_arguments(ARG "" "SEEDS" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} gw_warnings)
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_target_properties(${name} PROPERTIES GW_SEEDS "${ARG_SEEDS}")
endfunction()
