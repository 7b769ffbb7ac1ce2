# Everything comes from Debian 12 packages (scripts/install-dependencies.sh names them).
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(OpenSSL 3 REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(doctest REQUIRED)
find_package(SQLite3 3.40 REQUIRED)
# These two bring no CMake package. libcrypt belongs to the C library's development package.
foreach(library argon2 crypt)
  find_library(GW_${library} ${library} REQUIRED)
  find_path(GW_${library}_INCLUDE ${library}.h REQUIRED)
  add_library(GW::${library} UNKNOWN IMPORTED)
  set_target_properties(GW::${library} PROPERTIES
    IMPORTED_LOCATION "${GW_${library}}"
    INTERFACE_INCLUDE_DIRECTORIES "${GW_${library}_INCLUDE}")
endforeach()
