set(here unit/broker-core)
gw_test(base_test
  SOURCES support/doctest_main.cpp ${here}/base/base_test.cpp ${here}/base/containers_test.cpp ${here}/base/hash_test.cpp ${here}/base/printable_test.cpp
    ${here}/base/timer_wheel_test.cpp
  DEPS gw::base
  LABELS dev)

gw_test(broker_test
  SOURCES support/doctest_main.cpp ${here}/access/access_test.cpp ${here}/broker/broker_test.cpp
    ${here}/broker/session_table_test.cpp ${here}/metrics/metrics_test.cpp
    ${here}/broker/qos2_test.cpp ${here}/session/exactly_once_test.cpp
    ${here}/session/session_test.cpp
  DEPS gw::broker
  LABELS dev)
