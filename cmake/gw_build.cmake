# How the compiler and the linker are called: what keeps a build fast, and changes nothing in what is built.

# Two links at once: lld holds little memory. Without it a link of ld is as slow as it is large.
set_property(GLOBAL PROPERTY JOB_POOLS link=2)
set(CMAKE_JOB_POOL_LINK link)
find_program(GW_LLD ld.lld)
if(GW_LLD)
  add_link_options(-fuse-ld=lld)
endif()

# ccache, set up here and nowhere else, so that it holds in every clone, whatever the machine's own
# configuration says: paths count from this folder on, so that clones share objects, and what a
# precompiled header makes ccache careful about (https://ccache.dev/manual/4.7.5.html#_precompiled_headers)
# is said to be fine; the inode cache spares reading that large file for every object.
find_program(GW_CCACHE ccache)
if(GW_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
    CCACHE_BASEDIR=${PROJECT_SOURCE_DIR} CCACHE_NOHASHDIR=true CCACHE_INODECACHE=true
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    ${GW_CCACHE})
endif()

# Precompiled headers of others, never of ours. Sources keep their own includes and compile without:
# only the preset `release` has it on. A header set pays where reading it costs more than mapping it:
# the standard library for all, Asio for those that know sockets. Boost.JSON and Beast are read by a
# handful of sources, and making the set costs what it saves; docs/continuous-integration.md has the
# figures.
option(GW_PCH "Precompile the headers of the standard library and of Asio" OFF)
if(GW_PCH AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 warns of std::string's operator+ and resize() where there is nothing (GCC's bugs 105329 and
  # 105651 are of this kind). Without a precompiled header it knows that the place is not ours; with one it forgets.
  # The preset `dev` has none, and keeps them as errors.
  target_compile_options(gw_warnings INTERFACE -Wno-error=array-bounds -Wno-error=restrict
    -Wno-error=stringop-overflow -Wno-error=stringop-overread)
endif()
set(GW_PCH_standard <algorithm> <array> <chrono> <cstddef> <cstdint> <cstring> <deque> <functional>
  <map> <memory> <optional> <span> <string> <string_view> <utility> <vector>)
set(GW_PCH_asio ${GW_PCH_standard} <boost/asio/basic_waitable_timer.hpp>
  <boost/asio/io_context.hpp> <boost/asio/posix/basic_stream_descriptor.hpp>)

# gw_precompiled(target [set]): `target` is compiled with this set (default: standard).
function(gw_precompiled target)
  if(NOT GW_PCH)
    return()
  endif()
  set(name standard)
  if(ARGC GREATER 1 AND ARGV1)
    set(name ${ARGV1})
  endif()
  if(NOT TARGET pch_${name})
    # A set is made once, by a target of its own.
    set(empty ${PROJECT_BINARY_DIR}/pch_${name}.cpp)
    file(CONFIGURE OUTPUT ${empty} CONTENT "// Only its precompiled header counts.\n")
    add_library(pch_${name} OBJECT ${empty})
    target_link_libraries(pch_${name} PRIVATE Boost::headers gw_warnings)
    target_precompile_headers(pch_${name} PRIVATE ${GW_PCH_${name}})
  endif()
  target_precompile_headers(${target} REUSE_FROM pch_${name})
endfunction()
