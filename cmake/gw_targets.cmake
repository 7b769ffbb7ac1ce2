# No test takes longer than a minute (tests/budgets.txt). A sanitizer makes everything several times
# slower, and its runs have no budget.
set(GW_TEST_SECONDS 60)
if(CMAKE_CXX_FLAGS MATCHES "-fsanitize")
  set(GW_TEST_SECONDS 300)
endif()

# gw_library(name SOURCES ... [PUBLIC_DEPS ...] [PRIVATE_DEPS ...] [PCH set])
# Static library `name`, alias gw::name; include paths start at the repository root. PCH: see
# gw_build.cmake.
function(gw_library name)
  cmake_parse_arguments(ARG "" "PCH" "SOURCES;PUBLIC_DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  add_library(gw::${name} ALIAS ${name})
  target_include_directories(${name} PUBLIC ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name} PUBLIC ${ARG_PUBLIC_DEPS} PRIVATE ${ARG_PRIVATE_DEPS} gw_warnings)
  gw_precompiled(${name} ${ARG_PCH})
endfunction()

# gw_test(name SOURCES ... DEPS ... [LABELS ...] [PCH set]): a doctest program, one ctest case. Those with
# the label `dev` are also built by the target dev_tests: they are what continuous integration runs
# in the preset `dev`.
function(gw_test name)
  cmake_parse_arguments(ARG "" "PCH" "SOURCES;DEPS;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} gw::test_support gw_warnings)
  gw_precompiled(${name} ${ARG_PCH})
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${GW_TEST_SECONDS})
  if(dev IN_LIST ARG_LABELS)
    if(NOT TARGET dev_tests)
      add_custom_target(dev_tests)
    endif()
    add_dependencies(dev_tests ${name})
  endif()
endfunction()

# gw_simulation(name SOURCES ... DEPS ...): a gw_test that runs one seed after the other, in `ci` for two
# seconds a test case, in `full` as <name>_long for eight (tests/sim/sim_support.hpp).
function(gw_simulation name)
  gw_test(${name} ${ARGN} LABELS sim)
  add_test(NAME ${name}_long COMMAND ${name})
  set_tests_properties(${name}_long PROPERTIES
    LABELS "sim;full" TIMEOUT ${GW_TEST_SECONDS} ENVIRONMENT "GW_SIM_SECONDS=8")
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
