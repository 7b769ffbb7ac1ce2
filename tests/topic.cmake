gw_test(topic_test
  SOURCES unit/broker-core/topic/topic_test.cpp
  DEPS gw::topic)
