# Broker CPU a message by STOMP, beside MQTT's in the same run.
add_executable(stomp_bench stomp_bench.cpp)
target_link_libraries(stomp_bench PRIVATE gw_warnings)
target_include_directories(stomp_bench PRIVATE ${PROJECT_SOURCE_DIR})
