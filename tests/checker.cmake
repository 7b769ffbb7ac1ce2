# The checker of brokers (tests/checker): its judge, its plans, and a short run against the gateway.
foreach(name judge plan clients)
  add_test(NAME checker_${name}
    COMMAND ${GW_PYTHON3} -B ${CMAKE_CURRENT_SOURCE_DIR}/checker/${name}_test.py)
  set_tests_properties(checker_${name} PROPERTIES TIMEOUT 60)
endforeach()

# gw_checker_run(name case...): cases of run_test.py as a test of their own.
function(gw_checker_run name)
  list(TRANSFORM ARGN PREPEND Run.test_ OUTPUT_VARIABLE cases)
  add_test(NAME checker_${name}
    COMMAND ${GW_PYTHON3} -B ${CMAKE_CURRENT_SOURCE_DIR}/checker/run_test.py ${cases})
  set_tests_properties(checker_${name} PROPERTIES
    LABELS interop TIMEOUT 180 PROCESSORS 2
    ENVIRONMENT "MANGROVE_BIN=$<TARGET_FILE:mangrove>")
endfunction()

if(TARGET mangrove)
  gw_checker_run(run nothing_is_found_under_all_faults what_cannot_run_says_so)
  gw_checker_run(finds what_a_kill_loses_is_found_and_shrunk)
endif()
