# Black-box tests over real sockets: each program of tests/interop is one ctest case with the label
# "interop", each of tests/attack one with the label "attack".

# gw_interop_test(name SECONDS [FOLDER f] [SLOTS n] [TLS|WS] [FULL] [FIGURES] [variable=value ...]):
# test_<name>.py of tests/interop, or of FOLDER, with a time limit, a minute at most (more for a sanitizer); SLOTS is how many
# processors it keeps busy; TLS, WS: all connections speak it; FULL: it has the label `full` and not
# `ci`; FIGURES: it is run once more in `full`, alone, for its tests that judge a figure.
function(gw_interop_test name seconds)
  cmake_parse_arguments(ARG "TLS;WS;FULL;FIGURES" "SLOTS;FOLDER" "" ${ARGN})
  if(NOT ARG_FOLDER)
    set(ARG_FOLDER interop)
  endif()
  if(NOT ARG_SLOTS)
    set(ARG_SLOTS 1)
  endif()
  set(test ${ARG_FOLDER}_${name})
  set(options)
  if(ARG_TLS)
    set(test ${ARG_FOLDER}_${name}_tls)
    set(options --tls)
  elseif(ARG_WS)
    set(test ${ARG_FOLDER}_${name}_ws)
    set(options --ws)
  endif()
  set(labels ${ARG_FOLDER})
  if(ARG_FULL)
    list(APPEND labels full)
  endif()
  if(seconds GREATER GW_TEST_SECONDS)
    set(seconds ${GW_TEST_SECONDS})
  endif()
  add_test(NAME ${test}
    COMMAND ${GW_PYTHON3} -B ${CMAKE_CURRENT_SOURCE_DIR}/${ARG_FOLDER}/test_${name}.py ${options})
  set_tests_properties(${test} PROPERTIES
    LABELS "${labels}" TIMEOUT ${seconds} PROCESSORS ${ARG_SLOTS}
    ENVIRONMENT "MANGROVE_BIN=$<TARGET_FILE:mangrove>;MANGROVE_TEST_CASE=${test};${ARG_UNPARSED_ARGUMENTS}")
  if(ARG_FIGURES AND NOT CMAKE_CXX_FLAGS MATCHES "-fsanitize")
    add_test(NAME ${test}_figures
      COMMAND ${GW_PYTHON3} -B ${CMAKE_CURRENT_SOURCE_DIR}/interop/test_${name}.py --figures --jobs 1)
    set_tests_properties(${test}_figures PROPERTIES
      LABELS "interop;full" TIMEOUT ${seconds} RUN_SERIAL ON
      ENVIRONMENT "MANGROVE_BIN=$<TARGET_FILE:mangrove>;MANGROVE_TEST_CASE=${test}_figures")
  endif()
endfunction()

foreach(chapter connect publish subscribe session will shared malformed memory durability store_faults store_protocols broker races)
  gw_interop_test(${chapter} 180)
endforeach()
# Data folders that earlier versions made: tests/fixtures.
gw_interop_test(fixture 180)
gw_interop_test(flow 180 FIGURES)
gw_interop_test(mqttsn 180)
gw_interop_test(mqttsn_life 180)
gw_interop_test(mqttsn_dtls 180)
gw_interop_test(coap 180 FIGURES)
gw_interop_test(coap_clients 240)
gw_interop_test(auth 240 FIGURES)
gw_interop_test(origin 180)
gw_interop_test(tls 180 FIGURES)
gw_interop_test(stomp 240)
gw_interop_test(stomp 240 TLS)
gw_interop_test(stomp_certificates 120)
gw_interop_test(access 240)
gw_interop_test(clients 120)
foreach(theme one_session identity_inflight identity_options identity_principal)
  gw_interop_test(${theme} 240)
endforeach()
gw_interop_test(door 240 SLOTS 2 FIGURES)
gw_interop_test(link_cut 300)
gw_interop_test(scale 300 SLOTS 2)

gw_interop_test(websocket 180 FIGURES)
gw_interop_test(proxy_protocol 180)
gw_interop_test(sockjs 180)

# What somebody outside can make the gateway hold or wait for; the whole size: tests/attack/README.md.
foreach(attack coap_observers http stomp_ids unread)
  gw_interop_test(${attack} 60 FOLDER attack)
endforeach()
gw_interop_test(unread 60 FOLDER attack TLS)
gw_interop_test(unread 60 FOLDER attack WS)

# The same tests over TLS and over WebSocket, all in `full`. Three of them ask most of the layer below
# the protocol, and so are in `ci`: flow (both directions full, large and cut packets, readers that
# stop), malformed (closing in the midst of anything, with bytes unread and unsent) and session
# (connections that end in every way and come back, taken over by others). What the rest asks over
# a layer is the same bytes in and out.
foreach(layer TLS WS)
  foreach(chapter flow malformed session)
    gw_interop_test(${chapter} 180 ${layer})
  endforeach()
  foreach(chapter connect publish subscribe will shared races)
    gw_interop_test(${chapter} 180 ${layer} FULL)
  endforeach()
endforeach()

# Real clients; a program whose client is not installed skips its tests and says so, which is a
# failure in continuous integration.
gw_interop_test(mosquitto_clients 180)
gw_interop_test(bridge 180)
gw_interop_test(paho_python 180)
gw_interop_test(node 240)
gw_interop_test(stomp_clients 240)
gw_interop_test(websocket_clients 240)
gw_interop_test(sockjs_clients 240)
gw_interop_test(matrix 180 SLOTS 2)
gw_interop_test(matrix_rules 180 SLOTS 2)
gw_interop_test(matrix_durable 180 SLOTS 2)

find_path(GW_PAHO_INCLUDE MQTTAsync.h)
find_library(GW_PAHO_ASYNC paho-mqtt3a)
find_library(GW_PAHO_CLIENT paho-mqtt3c)
if(NOT GW_PAHO_INCLUDE OR NOT GW_PAHO_ASYNC OR NOT GW_PAHO_CLIENT)
  gw_interop_test(paho_c 180)  # without its program: skipped
else()
  add_executable(interop_paho_c_program ${CMAKE_CURRENT_SOURCE_DIR}/interop/paho_c.cpp)
  target_include_directories(interop_paho_c_program SYSTEM PRIVATE ${GW_PAHO_INCLUDE})
  target_link_libraries(interop_paho_c_program PRIVATE
    ${GW_PAHO_ASYNC} ${GW_PAHO_CLIENT} gw_warnings)
  gw_interop_test(paho_c 180 "MANGROVE_PAHO_C=$<TARGET_FILE:interop_paho_c_program>")
endif()
