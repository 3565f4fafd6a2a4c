# SPDX-License-Identifier: MIT
# One way to declare a test. TIER is its ctest label: unit, conformance, policy, integration, fuzz.
#
#   iommub_add_test(NAME tier-subject TIER unit SOURCES a.c LIBS target ...)
#
# Every test has a timeout as a last resort against a hang; no test depends on how fast it runs.
function(iommub_add_test)
	cmake_parse_arguments(T "" "NAME;TIER" "SOURCES;LIBS;ARGS;ENVIRONMENT" ${ARGN})
	add_executable(${T_NAME} ${T_SOURCES})
	set_target_properties(${T_NAME} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
	target_link_libraries(${T_NAME} PRIVATE iommub_options ${T_LIBS} PkgConfig::CMOCKA)
	add_test(NAME ${T_NAME} COMMAND ${T_NAME} ${T_ARGS})
	set_tests_properties(${T_NAME} PROPERTIES LABELS "${T_TIER}" TIMEOUT 120)
	if(T_ENVIRONMENT)
		set_tests_properties(${T_NAME} PROPERTIES ENVIRONMENT "${T_ENVIRONMENT}")
	endif()
endfunction()
