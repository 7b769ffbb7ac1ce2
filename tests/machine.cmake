set(here unit/adapters/mqtt/machine)
gw_test(mqtt_machine_test
  SOURCES support/doctest_main.cpp ${here}/access_test.cpp ${here}/filter_test.cpp ${here}/limits_test.cpp ${here}/publish_test.cpp
    ${here}/session_test.cpp ${here}/states_test.cpp ${here}/subscribe_test.cpp
  DEPS sim_support gw::acl_file)
