# Memory and time of the router: docs/decisions/0002-router-locking.md quotes it.
add_executable(router_bench router_bench.cpp)
target_link_libraries(router_bench PRIVATE gw::router gw::retained gw_warnings)
