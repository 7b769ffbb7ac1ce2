gw_test(transport_test
  SOURCES
    ${PROJECT_SOURCE_DIR}/tests/support/doctest_main.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/adapters/transport/layer_stack_test.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/adapters/transport/peer_table_test.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/adapters/transport/stream_driver_test.cpp
  DEPS gw::transport)
