gw_test(sockjs_test
  SOURCES support/doctest_main.cpp
    unit/adapters/sockjs/hub_test.cpp unit/adapters/sockjs/layer_test.cpp
    unit/adapters/sockjs/text_test.cpp
  DEPS gw::sockjs)

gw_fuzz_target(sockjs_fuzz
  SOURCES fuzz/sockjs_fuzz.cpp DEPS gw::sockjs SEEDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/seeds/sockjs)
