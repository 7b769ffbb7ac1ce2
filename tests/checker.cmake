# The checker of brokers (tests/checker): its judge, its plans, and a short run against the gateway.
if(NOT GW_PYTHON3)
  find_program(GW_PYTHON3 NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH)
endif()
if(NOT GW_PYTHON3)
  return()
endif()

foreach(name judge plan)
  add_test(NAME checker_${name}
    COMMAND ${GW_PYTHON3} -B ${CMAKE_CURRENT_SOURCE_DIR}/checker/${name}_test.py)
  set_tests_properties(checker_${name} PROPERTIES TIMEOUT 60)
endforeach()

if(TARGET mangrove)
  add_test(NAME checker_run
    COMMAND ${GW_PYTHON3} -B ${CMAKE_CURRENT_SOURCE_DIR}/checker/run_test.py)
  set_tests_properties(checker_run PROPERTIES
    LABELS interop TIMEOUT 180 PROCESSORS 2
    ENVIRONMENT "MANGROVE_BIN=$<TARGET_FILE:mangrove>")
endif()
