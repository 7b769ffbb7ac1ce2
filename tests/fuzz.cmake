# The codec's fuzz target is with the codec (codec.cmake).
gw_fuzz_target(mqtt_machine_fuzz
  SOURCES fuzz/mqtt_machine_fuzz.cpp
  DEPS sim_support
  SEEDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/seeds/mqtt_machine)
