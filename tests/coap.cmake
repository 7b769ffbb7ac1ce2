# CoAP: codec, machine in simulated time, a lossy network, fuzz targets.
set(here unit/adapters/coap)
add_library(coap_support STATIC support/coap_net.cpp)
target_link_libraries(coap_support PUBLIC gw::coap_machine sim_support PRIVATE gw_warnings)
gw_precompiled(coap_support)

gw_test(coap_codec_test
  SOURCES support/doctest_main.cpp ${here}/codec/codec_test.cpp
  DEPS coap_support
  LABELS dev)

gw_test(coap_machine_test
  SOURCES support/doctest_main.cpp ${here}/machine/message_test.cpp
    ${here}/machine/filter_test.cpp ${here}/machine/observe_test.cpp ${here}/machine/origin_test.cpp ${here}/machine/block_test.cpp
    ${here}/machine/client_test.cpp
  DEPS coap_support)

gw_simulation(coap_sim_test
  SOURCES support/doctest_main.cpp sim/coap_lossy_test.cpp
  DEPS coap_support)

gw_fuzz_target(coap_codec_fuzz
  SOURCES fuzz/coap_codec_fuzz.cpp
  DEPS gw::coap_codec
  SEEDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/seeds/coap)

gw_fuzz_target(coap_machine_fuzz
  SOURCES fuzz/coap_machine_fuzz.cpp
  DEPS coap_support
  SEEDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/seeds/coap_machine)
