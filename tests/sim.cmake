# Simulated time, network and clients around real brokers and connection machines, for the tests of
# the machine and of the whole.
add_library(sim_support STATIC
  support/sim_disk.cpp support/sim_world.cpp support/datagram_link.cpp support/sim_client.cpp
  support/test_client.cpp)
target_link_libraries(sim_support PUBLIC gw::mqtt_machine gw::core_restorer mqtt_packet_text PRIVATE gw_warnings)
gw_precompiled(sim_support)

gw_simulation(sim_test
  SOURCES support/doctest_main.cpp sim/sessions_simulation.cpp sim/sessions_test.cpp
    sim/retained_test.cpp sim/rights_test.cpp sim/wills_test.cpp
  DEPS sim_support gw::acl_file)
