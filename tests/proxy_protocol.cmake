gw_test(proxy_protocol_test
  SOURCES support/doctest_main.cpp unit/adapters/transport/proxy_header_test.cpp
    unit/adapters/transport/proxy_layer_test.cpp
  DEPS gw::proxy_protocol)

gw_fuzz_target(proxy_header_fuzz
  SOURCES fuzz/proxy_header_fuzz.cpp
  DEPS gw::proxy_protocol
  SEEDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/seeds/proxy_header)
