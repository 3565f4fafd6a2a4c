# SPDX-License-Identifier: MIT
# The protocol side of a session, in this process: packets in, answers out, around it a backend and a supervisor that
# the test commands (fake.c takes the place of backend.c and supervisor_client.c).
add_library(session_scene STATIC fake.c scene.c scene_ops.c)
target_link_libraries(session_scene PUBLIC iommub_session_core PkgConfig::CMOCKA PRIVATE iommub_options)

foreach(subject table memory index ledger batch device end hello)
	if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/test_${subject}.c)
		iommub_add_test(NAME unit-session-${subject} TIER unit SOURCES test_${subject}.c LIBS session_scene)
	endif()
endforeach()
target_compile_definitions(unit-session-table PRIVATE PROTOCOL_MD="${CMAKE_SOURCE_DIR}/proto/PROTOCOL.md")
# To seal a file at the moment at which the session maps it.
target_link_options(unit-session-memory PRIVATE -Wl,--wrap=mmap)
