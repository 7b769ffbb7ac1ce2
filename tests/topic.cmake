gw_test(topic_test
  SOURCES support/doctest_main.cpp unit/broker-core/topic/topic_test.cpp
  DEPS gw::topic
  LABELS dev)
