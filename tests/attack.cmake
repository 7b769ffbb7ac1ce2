# Attacks over real sockets, bounded: what somebody outside can make the gateway hold or wait for. Each
# program of tests/attack is one ctest case. The whole size by hand: tests/attack/README.md.
function(gw_attack_test name seconds)
  cmake_parse_arguments(ARG "TLS;WS" "" "" ${ARGN})
  set(test attack_${name})
  set(options)
  if(ARG_TLS)
    set(test attack_${name}_tls)
    set(options --tls)
  elseif(ARG_WS)
    set(test attack_${name}_ws)
    set(options --ws)
  endif()
  add_test(NAME ${test}
    COMMAND ${GW_PYTHON3} -B ${CMAKE_CURRENT_SOURCE_DIR}/attack/test_${name}.py ${options})
  set_tests_properties(${test} PROPERTIES
    LABELS attack TIMEOUT ${seconds} PROCESSORS 1
    ENVIRONMENT "MANGROVE_BIN=$<TARGET_FILE:mangrove>;MANGROVE_TEST_CASE=${test}")
endfunction()

gw_attack_test(coap_observers 60)
gw_attack_test(http 60)
gw_attack_test(stomp_ids 60)
gw_attack_test(unread 60)
gw_attack_test(unread 60 TLS)
gw_attack_test(unread 60 WS)
