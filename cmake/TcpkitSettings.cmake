# Language level, warnings and instrumentation for every target of this project.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 99)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)

if(PROJECT_IS_TOP_LEVEL)
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
  endif()
endif()

# In directory scope, so that the programs in cli/, bench/ and examples/ are held to the same rules.
add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Wshadow
                    "$<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor;-Wold-style-cast>"
                    "$<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes>"
                    "$<$<BOOL:${TCPKIT_WERROR}>:-Werror>")

if(TCPKIT_BUILD_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "TCPKIT_BUILD_FUZZ needs clang")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

if(TCPKIT_SANITIZE)
  # Not vptr: that check asks the kernel through a pipe whether an object can be read, and takes it
  # for a broken one where a test has used up all descriptors.
  add_compile_options(-fsanitize=${TCPKIT_SANITIZE} -fno-sanitize=vptr -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${TCPKIT_SANITIZE})
endif()

if(TCPKIT_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()
