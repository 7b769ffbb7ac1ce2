# What TLS costs a running broker: docs/performance.md quotes it.
find_package(OpenSSL REQUIRED)
add_executable(tls_bench tls_bench.cpp)
target_link_libraries(tls_bench PRIVATE OpenSSL::SSL gw_warnings)
