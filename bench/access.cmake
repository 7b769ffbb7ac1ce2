# Nanoseconds a question to the access rules.
add_executable(access_bench access_bench.cpp)
target_link_libraries(access_bench PRIVATE gw::acl_file gw_warnings)
