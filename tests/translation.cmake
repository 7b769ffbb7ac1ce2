# What becomes of a message between protocols: the adapters' tables, docs/protocols/translation.md,
# and each protocol to each other one.
set(here translation)
gw_test(translation_test
  SOURCES ${here}/translation_main.cpp ${here}/content.cpp ${here}/coap_peer.cpp
    ${here}/document.cpp ${here}/mqtt_peer.cpp ${here}/round_trip_test.cpp ${here}/sn_peer.cpp
    ${here}/speakers.cpp ${here}/stomp_peer.cpp
  DEPS coap_support sn_support stomp_support gw::sockjs)
target_compile_definitions(translation_test PRIVATE GW_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
