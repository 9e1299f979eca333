# skep_room(NAME [DEPS target...]): the room src/NAME as the static library skep_NAME, all .cc, .c and .S below it.
# skep_tests(ROOM [DEPS target...]): tests/ROOM/*_test.cc as one GoogleTest program, ROOM_test.
# skep_fuzz(NAME DEPS...): fuzz/NAME_fuzz.cc as a libFuzzer program with fuzz/corpus/NAME beside it.

add_library(skep_options INTERFACE)
target_compile_features(skep_options INTERFACE cxx_std_23)
target_include_directories(skep_options INTERFACE ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/generated)
target_compile_definitions(skep_options INTERFACE SKEP_VERSION="${PROJECT_VERSION}")
target_compile_options(skep_options INTERFACE
  -Wall -Wextra -Wshadow $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor> -Werror=return-type -Werror=unused-result
  $<$<COMPILE_LANGUAGE:CXX>:-fno-operator-names>
  $<$<BOOL:${SKEP_WERROR}>:-Werror>)
if(SKEP_SANITIZE STREQUAL "address")
  target_compile_options(skep_options INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  target_link_options(skep_options INTERFACE -fsanitize=address,undefined)
elseif(SKEP_SANITIZE STREQUAL "thread")
  target_compile_options(skep_options INTERFACE -fsanitize=thread)
  target_link_options(skep_options INTERFACE -fsanitize=thread)
endif()
if(SKEP_FAULTS)
  target_compile_definitions(skep_options INTERFACE SKEP_FAULTS)
endif()
if(SKEP_FUZZ)
  target_compile_options(skep_options INTERFACE -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined)
  target_link_options(skep_options INTERFACE -fsanitize=address,undefined)
endif()

function(skep_room name)
  cmake_parse_arguments(ARG "" "" "DEPS;EXCLUDE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS
    ${CMAKE_SOURCE_DIR}/src/${name}/*.cc ${CMAKE_SOURCE_DIR}/src/${name}/*.c ${CMAKE_SOURCE_DIR}/src/${name}/*.S)
  foreach(pattern IN LISTS ARG_EXCLUDE)
    list(FILTER sources EXCLUDE REGEX "${pattern}")
  endforeach()
  list(FILTER sources EXCLUDE REGEX "main\\.cc$")
  if(sources)
    add_library(skep_${name} STATIC ${sources})
    target_link_libraries(skep_${name} PUBLIC skep_options ${ARG_DEPS})
  else()
    add_library(skep_${name} INTERFACE)
    target_link_libraries(skep_${name} INTERFACE skep_options ${ARG_DEPS})
  endif()
endfunction()

function(skep_tests room)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${room}/*_test.cc ${CMAKE_SOURCE_DIR}/tests/${room}/backend.cc)
  if(NOT sources)
    return()
  endif()
  add_executable(${room}_test ${sources})
  target_link_libraries(${room}_test PRIVATE ${ARG_DEPS} GTest::gtest GTest::gmock GTest::gtest_main)
  target_include_directories(${room}_test PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  add_test(NAME ${room} COMMAND ${room}_test)
  # Children that are to die of a fault must do so, and faults that are caught are ours to catch.
  set_tests_properties(${room} PROPERTIES TIMEOUT 240 ENVIRONMENT "ASAN_OPTIONS=handle_segv=0:handle_sigbus=0")
endfunction()

function(skep_fuzz name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  add_executable(${name}_fuzz ${CMAKE_SOURCE_DIR}/fuzz/${name}_fuzz.cc)
  target_link_libraries(${name}_fuzz PRIVATE ${ARG_DEPS})
  target_link_options(${name}_fuzz PRIVATE -fsanitize=fuzzer)
endfunction()
