# The durable store. Its tests write into temporary folders; those with a file layer of their own
# fail or lose what SQLite writes.
set(here unit/broker-core/storage)
add_library(store_harness STATIC ${here}/store_harness.cpp ${here}/random_steps.cpp)
target_link_libraries(store_harness PUBLIC gw::log_store gw::test_support PRIVATE gw_warnings)
gw_precompiled(store_harness)

gw_test(store_test
  SOURCES support/doctest_main.cpp ${here}/record_test.cpp ${here}/index_test.cpp
          ${here}/log_store_test.cpp ${here}/tools_test.cpp
  DEPS store_harness
  LABELS dev)

gw_test(store_fault_test
  SOURCES support/doctest_main.cpp ${here}/faulty_vfs.cpp ${here}/fault_test.cpp
          ${here}/model_test.cpp
  DEPS store_harness SQLite::SQLite3
  LABELS dev)

# What the core asks of a storage, asked of all there are.
gw_test(store_contract_test
  SOURCES support/doctest_main.cpp ${here}/faulty_vfs.cpp ${here}/contract_test.cpp
          ${PROJECT_SOURCE_DIR}/tests/support/sim_disk.cpp
  DEPS store_harness gw::log_storage SQLite::SQLite3
  LABELS dev)

gw_fuzz_target(store_record_fuzz
  SOURCES ${PROJECT_SOURCE_DIR}/tests/fuzz/store_record_fuzz.cpp
  DEPS gw::log_store
  SEEDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/seeds/store_record)
