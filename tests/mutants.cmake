# Faults built into the gateway, which the checker of brokers has to find (tests/checker/mutants).
set(mutants ${CMAKE_CURRENT_SOURCE_DIR}/checker/mutants.py)

add_test(NAME mutants_apply COMMAND ${GW_PYTHON3} -B ${mutants} --applies)
set_tests_properties(mutants_apply PROPERTIES TIMEOUT 60)

add_test(NAME mutants_found COMMAND ${GW_PYTHON3} -B ${mutants} -v)
set_tests_properties(mutants_found PROPERTIES
  LABELS full TIMEOUT 7200 RUN_SERIAL ON)
