add_library(gw_warnings INTERFACE)
target_compile_options(gw_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wold-style-cast -Wnon-virtual-dtor
  -Woverloaded-virtual -Wimplicit-fallthrough)
if(GW_WERROR)
  target_compile_options(gw_warnings INTERFACE -Werror)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_FLAGS MATCHES "-fsanitize")
  # GCC 12 reports false positives of these under a sanitizer.
  target_compile_options(gw_warnings INTERFACE -Wno-maybe-uninitialized -Wno-stringop-overflow)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_FLAGS MATCHES "-fsanitize=thread")
  # Asio's handlers use fences, which the sanitizer does not model; nothing of ours relies on them.
  target_compile_options(gw_warnings INTERFACE -Wno-tsan)
endif()
