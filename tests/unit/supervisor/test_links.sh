#!/bin/sh
# SPDX-License-Identifier: MIT
# What parses no client byte must not be able to: no protobuf in the privileged programs, neither as a library nor as code.
status=0
for program in "$@"; do
	if readelf -d "$program" | grep NEEDED | grep -i protobuf; then
		echo "$program needs a protobuf library"
		status=1
	fi
	if nm "$program" | grep -i protobuf_c; then
		echo "$program contains protobuf code"
		status=1
	fi
done
exit $status
