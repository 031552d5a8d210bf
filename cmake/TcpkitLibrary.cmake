# The rooms under src/ become one object library, which feeds the shared library, the static library
# and the unit tests.

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(LIBUV REQUIRED IMPORTED_TARGET libuv>=1.44)

file(GLOB tcpkit_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/*/*.cpp")

add_library(tcpkit_core OBJECT ${tcpkit_sources})
set_target_properties(tcpkit_core PROPERTIES
  POSITION_INDEPENDENT_CODE ON
  C_VISIBILITY_PRESET hidden
  CXX_VISIBILITY_PRESET hidden
  VISIBILITY_INLINES_HIDDEN ON)
target_compile_definitions(tcpkit_core PRIVATE TCPKIT_BUILDING)
target_include_directories(tcpkit_core PUBLIC "${PROJECT_SOURCE_DIR}/include"
                                              "${PROJECT_SOURCE_DIR}/src")
target_link_libraries(tcpkit_core PUBLIC PkgConfig::LIBUV Threads::Threads)

set(tcpkit_private_libraries PkgConfig::LIBUV Threads::Threads)
if(EXISTS "${PROJECT_SOURCE_DIR}/src/tls")
  pkg_check_modules(OPENSSL REQUIRED IMPORTED_TARGET openssl>=3.0)
  target_link_libraries(tcpkit_core PUBLIC PkgConfig::OPENSSL)
  list(APPEND tcpkit_private_libraries PkgConfig::OPENSSL)
endif()

function(tcpkit_add_library target kind)
  add_library(${target} ${kind} $<TARGET_OBJECTS:tcpkit_core>)
  add_library(tcpkit::${target} ALIAS ${target})
  set_target_properties(${target} PROPERTIES OUTPUT_NAME tcpkit)
  target_include_directories(${target} INTERFACE
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
    "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  target_link_libraries(${target} PRIVATE ${tcpkit_private_libraries})
endfunction()

tcpkit_add_library(tcpkit SHARED)
tcpkit_add_library(tcpkit_static STATIC)

# Before 1.0 each minor version is an ABI of its own: libtcpkit.so.0.3.
set(tcpkit_map "${PROJECT_SOURCE_DIR}/cmake/tcpkit.map")
set_target_properties(tcpkit PROPERTIES
  VERSION ${PROJECT_VERSION}
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
  LINK_DEPENDS "${tcpkit_map}")
target_link_options(tcpkit PRIVATE
  "LINKER:--version-script=${tcpkit_map}"
  "LINKER:-Bsymbolic-functions"
  "LINKER:-z,relro,-z,now")
# The run-time libraries of the sanitizers are only there in the program.
if(NOT TCPKIT_SANITIZE)
  target_link_options(tcpkit PRIVATE "LINKER:--no-undefined")
endif()
# The static library links C++ code: a C program needs the C++ run-time library.
target_link_libraries(tcpkit_static PRIVATE stdc++)
