# Access rules: their topics, tables and files.
set(here unit/broker-core/access)
gw_test(acl_test
  SOURCES support/doctest_main.cpp ${here}/acl_topic_test.cpp ${here}/acl_table_test.cpp
    ${here}/acl_policy_test.cpp unit/config/acl/acl_parser_test.cpp
    unit/config/acl/emq_acl_test.cpp unit/config/acl/mosquitto_acl_test.cpp
  DEPS gw::acl_file
  LABELS dev)
target_compile_definitions(acl_test PRIVATE GW_SOURCE_DIR="${PROJECT_SOURCE_DIR}")

gw_fuzz_target(acl_fuzz
  SOURCES ${PROJECT_SOURCE_DIR}/tests/fuzz/acl_fuzz.cpp
  DEPS gw::acl_file
  SEEDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/seeds/acl)

# Who is let in, and the files of both.
gw_test(door_test
  SOURCES support/doctest_main.cpp unit/broker-core/door/door_test.cpp
  DEPS gw::door
  LABELS dev)

gw_test(access_files_test
  SOURCES support/doctest_main.cpp unit/gateway/access/access_files_test.cpp
    unit/gateway/access/ban_keeper_test.cpp
    ${PROJECT_SOURCE_DIR}/gateway/access/loop_lag.cpp
  DEPS gw::program)
