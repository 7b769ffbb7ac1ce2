# Throughput, latency, memory and restart time of the store: docs/storage-format.md quotes it.
add_executable(store_bench store_bench.cpp)
target_link_libraries(store_bench PRIVATE gw::log_store gw_warnings)
