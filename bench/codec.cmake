add_executable(codec_bench codec_bench.cpp)
target_link_libraries(codec_bench PRIVATE gw::mqtt_codec gw_warnings)
