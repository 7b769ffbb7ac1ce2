# Checks of the tree that no compiler makes. docs/config-reference.md is compared in config_test.
find_package(Python3 3.11 REQUIRED COMPONENTS Interpreter)
set(tidy ${PROJECT_SOURCE_DIR}/tests/tidy)
add_test(NAME tidy.self_test COMMAND ${Python3_EXECUTABLE} ${tidy}/tidy_test.py)
foreach(check layers door names length traces links format)
  add_test(NAME tidy.${check} COMMAND ${Python3_EXECUTABLE} ${tidy}/tidy.py ${check})
endforeach()

# What judges a run of these tests, and what is to be skipped. The probes stand for tests that were
# skipped: they are built, and run by that test alone.
add_executable(skip_probe support/doctest_main.cpp tidy/skip_probe.cpp)
target_link_libraries(skip_probe PRIVATE gw::test_support gw_warnings)
add_test(NAME tidy.run_check COMMAND ${Python3_EXECUTABLE} ${tidy}/run_check_test.py)
set_tests_properties(tidy.run_check PROPERTIES ENVIRONMENT "SKIP_PROBE=$<TARGET_FILE:skip_probe>")
