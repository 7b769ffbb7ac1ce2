# The MQTT codec: unit tests and its fuzz target. The texts of packets serve both.
add_library(mqtt_packet_text STATIC support/mqtt_packet_text.cpp)
target_link_libraries(mqtt_packet_text PUBLIC gw::mqtt_codec PRIVATE gw_warnings)
gw_precompiled(mqtt_packet_text)

set(here unit/adapters/mqtt/codec)
gw_test(mqtt_codec_test
  SOURCES support/doctest_main.cpp ${here}/frame_test.cpp ${here}/golden_test.cpp
    ${here}/malformed_test.cpp ${here}/publish_test.cpp ${here}/round_trip_test.cpp
    ${here}/rules_test.cpp
  DEPS mqtt_packet_text
  LABELS dev)

gw_fuzz_target(mqtt_codec_fuzz
  SOURCES fuzz/mqtt_codec_fuzz.cpp
  DEPS mqtt_packet_text
  SEEDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/seeds/mqtt)
