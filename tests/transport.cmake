gw_test(transport_test
  SOURCES
    ${PROJECT_SOURCE_DIR}/tests/support/doctest_main.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/adapters/transport/layer_stack_test.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/adapters/transport/peer_table_test.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/adapters/transport/stream_driver_test.cpp
  DEPS gw::transport
  PCH asio)

gw_test(tls_test
  SOURCES
    ${PROJECT_SOURCE_DIR}/tests/support/doctest_main.cpp
    ${PROJECT_SOURCE_DIR}/tests/support/test_pki.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/adapters/transport/tls/certificate_test.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/adapters/transport/tls/psk_file_test.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/adapters/transport/tls/resumption_test.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/adapters/transport/tls/tls_context_test.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/adapters/transport/tls/tls_layer_test.cpp
  DEPS gw::tls)

gw_fuzz_target(tls_fuzz
  SOURCES fuzz/tls_fuzz.cpp support/test_pki.cpp
  DEPS gw::tls
  SEEDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/seeds/tls)
