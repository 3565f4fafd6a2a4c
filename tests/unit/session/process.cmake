# SPDX-License-Identifier: MIT
# The process side of a session: sandbox, loop, supervisor, backends.
function(session_process_test subject)
	cmake_parse_arguments(T "" "" "WRAP;LIBS" ${ARGN})
	string(REPLACE "_" "-" name ${subject})
	iommub_add_test(NAME unit-session-${name} TIER unit SOURCES test_${subject}.c LIBS iommub_session_core ${T_LIBS})
	foreach(function ${T_WRAP})
		target_link_options(unit-session-${name} PRIVATE -Wl,--wrap=${function})
	endforeach()
endfunction()

session_process_test(sandbox LIBS iommub_filter)
session_process_test(supervisor_client)
session_process_test(audit WRAP clock_gettime)
session_process_test(loop)
session_process_test(backend_kernel)
session_process_test(backend_sim)
session_process_test(process LIBS iommub_filter iommub_harness)
target_compile_definitions(unit-session-process PRIVATE
	SESSION_PROGRAM="$<TARGET_FILE:iommu-broker-session>"
	FORBIDDEN_PROGRAM="${CMAKE_BINARY_DIR}/tests/forbidden/iommu-broker-session")
add_dependencies(unit-session-process iommu-broker-session forbidden-session)
