gw_test(config_test
  SOURCES
    ${PROJECT_SOURCE_DIR}/tests/support/doctest_main.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/broker-core/base/ip_address_test.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/config/access_rule_test.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/config/kv_parser_test.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/config/loader_test.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/config/mqttsn_keys_test.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/config/report_test.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/config/schema_test.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/config/value_test.cpp
  DEPS gw::config)
target_compile_definitions(config_test PRIVATE GW_SOURCE_DIR="${PROJECT_SOURCE_DIR}")

# The program around a service that serves nobody, and the tests that drive it as a process.
add_executable(stand_in ${PROJECT_SOURCE_DIR}/tests/unit/gateway/stand_in_main.cpp)
target_link_libraries(stand_in PRIVATE gw::program gw_warnings)

gw_test(gateway_test
  SOURCES
    ${PROJECT_SOURCE_DIR}/tests/support/doctest_main.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/gateway/control_test.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/gateway/log_test.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/gateway/mailbox_test.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/gateway/origin_rules_test.cpp
    ${PROJECT_SOURCE_DIR}/tests/unit/gateway/protocols_test.cpp
  DEPS gw::program gw::broker)

find_package(Python3 3.11 REQUIRED COMPONENTS Interpreter)
add_test(NAME program_test
  COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tests/unit/gateway/program_test.py)
set_tests_properties(program_test PROPERTIES
  ENVIRONMENT "STAND_IN=$<TARGET_FILE:stand_in>;SOURCE_DIR=${PROJECT_SOURCE_DIR}"
  TIMEOUT ${GW_TEST_SECONDS})

gw_fuzz_target(config_fuzz
  SOURCES ${PROJECT_SOURCE_DIR}/tests/fuzz/config_fuzz.cpp
  DEPS gw::config
  SEEDS ${PROJECT_SOURCE_DIR}/tests/fuzz/seeds/config)
