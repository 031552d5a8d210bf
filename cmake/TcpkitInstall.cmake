# What `cmake --install` gives: libraries, headers, pkg-config file, CMake package, program.

include(CMakePackageConfigHelpers)

set(tcpkit_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/tcpkit")

# Two sets of targets, because only users of the static library need libuv and
# OpenSSL to be found.
install(TARGETS tcpkit EXPORT tcpkitTargets
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(TARGETS tcpkit_static EXPORT tcpkitStaticTargets
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
foreach(set IN ITEMS tcpkitTargets tcpkitStaticTargets)
  install(EXPORT ${set} NAMESPACE tcpkit:: DESTINATION "${tcpkit_package_dir}")
endforeach()

install(FILES "${PROJECT_SOURCE_DIR}/include/tcpkit.h"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(FILES "${PROJECT_SOURCE_DIR}/include/tcpkit.hpp"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" OPTIONAL)

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/tcpkitConfig.cmake.in"
                              "${PROJECT_BINARY_DIR}/tcpkitConfig.cmake"
                              INSTALL_DESTINATION "${tcpkit_package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/tcpkitConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/tcpkitConfig.cmake"
              "${PROJECT_BINARY_DIR}/tcpkitConfigVersion.cmake"
        DESTINATION "${tcpkit_package_dir}")

# Relative to the .pc file itself, so that an installed tree can be moved.
file(RELATIVE_PATH tcpkit_pc_to_prefix
     "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
set(tcpkit_pc_requires_private "libuv >= 1.44")
if(EXISTS "${PROJECT_SOURCE_DIR}/src/tls")
  string(APPEND tcpkit_pc_requires_private ", openssl >= 3.0")
endif()
configure_file("${PROJECT_SOURCE_DIR}/cmake/tcpkit.pc.in" "${PROJECT_BINARY_DIR}/tcpkit.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/tcpkit.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

# Programs made after this find the shared library in the tree that they are installed into.
file(RELATIVE_PATH tcpkit_bin_to_lib "${CMAKE_INSTALL_FULL_BINDIR}" "${CMAKE_INSTALL_FULL_LIBDIR}")
set(CMAKE_INSTALL_RPATH "$ORIGIN/${tcpkit_bin_to_lib}")
