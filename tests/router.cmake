set(here unit/broker-core/router)
gw_test(router_test
  SOURCES support/doctest_main.cpp ${here}/bucket_table_test.cpp ${here}/subscriber_set_test.cpp
          ${here}/shared_group_test.cpp ${here}/wildcard_index_test.cpp ${here}/router_test.cpp
          ${here}/router_property_test.cpp ${here}/router_threads_test.cpp
  DEPS gw::router
  LABELS dev)

set(here unit/broker-core/retained)
gw_test(retained_test
  SOURCES support/doctest_main.cpp ${here}/topic_order_test.cpp ${here}/retained_store_test.cpp
          ${here}/retained_property_test.cpp
  DEPS gw::retained gw::topic
  LABELS dev)
