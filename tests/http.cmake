gw_test(http_test
  SOURCES support/doctest_main.cpp
    unit/adapters/http/forwarded_test.cpp unit/adapters/http/http_machine_test.cpp
    unit/adapters/http/origin_test.cpp unit/adapters/http/request_parser_test.cpp
  DEPS gw::http)

gw_test(websocket_test
  SOURCES support/doctest_main.cpp
    unit/adapters/websocket/frame_reader_test.cpp unit/adapters/websocket/handshake_test.cpp
    unit/adapters/websocket/hixie76_test.cpp
    unit/adapters/websocket/websocket_layer_test.cpp
  DEPS gw::websocket)

set(seeds ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/seeds)
gw_fuzz_target(http_fuzz SOURCES fuzz/http_fuzz.cpp DEPS gw::websocket SEEDS ${seeds}/http)
gw_fuzz_target(websocket_fuzz
  SOURCES fuzz/websocket_fuzz.cpp DEPS gw::websocket SEEDS ${seeds}/websocket)
