#!/bin/sh
# SPDX-License-Identifier: MIT
# exports.sh NM LIBRARY LIST: does LIBRARY export exactly the symbols of LIST?
set -eu
"$1" -D --defined-only --format=posix "$2" | awk '$2 == "T" { sub(/@.*/, "", $1); print $1 }' | LC_ALL=C sort |
	diff -u "$3" -
