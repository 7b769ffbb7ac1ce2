set(here unit/adapters/stomp/codec)
gw_test(stomp_codec_test
  SOURCES support/doctest_main.cpp ${here}/frame_test.cpp ${here}/values_test.cpp
  DEPS gw::stomp_codec
  LABELS dev)

add_library(stomp_support STATIC support/stomp_client.cpp)
target_link_libraries(stomp_support PUBLIC sim_support gw::stomp_machine PRIVATE gw_warnings)
gw_precompiled(stomp_support)

set(here unit/adapters/stomp/machine)
gw_test(stomp_machine_test
  SOURCES support/doctest_main.cpp ${here}/ack_test.cpp ${here}/connect_test.cpp
    ${here}/durable_test.cpp ${here}/filter_test.cpp ${here}/message_test.cpp ${here}/table_test.cpp
    ${here}/transaction_test.cpp ${here}/translation_test.cpp
  DEPS stomp_support)

gw_fuzz_target(stomp_codec_fuzz
  SOURCES fuzz/stomp_codec_fuzz.cpp
  DEPS gw::stomp_codec
  SEEDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/seeds/stomp)

gw_fuzz_target(stomp_machine_fuzz
  SOURCES fuzz/stomp_machine_fuzz.cpp
  DEPS stomp_support
  SEEDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/seeds/stomp_machine)
