#!/bin/bash
# SPDX-License-Identifier: MIT
# What libiommubroker.so exports is exactly what the version script lists, and what the headers declare.
#
#   exports.sh LIBRARY VERSION-SCRIPT INCLUDE-DIRECTORY
set -euo pipefail
export LC_ALL=C
exported=$(nm -D --defined-only "$1" | awk '$2 ~ /^[A-Z]$/ && $2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort)
listed=$(sed -n 's/^\t\(iommub_[a-z0-9_]*\);$/\1/p' "$2" | sort)
# The name before the first parenthesis of what follows IOMMUB_API.
declared=$(find "$3" -name '*.h' ! -name export.h -exec cat {} + | tr '\n' ' ' | grep -oE 'IOMMUB_API [^(;]*\(' | grep -oE '[a-z0-9_]+\($' | tr -d '(' | sort)
status=0
compare() { # WHAT LEFT RIGHT
	if ! difference=$(diff <(echo "$2") <(echo "$3")); then
		echo "FAILED: $1:"
		echo "$difference"
		status=1
	fi
}
[ -n "$exported" ] || { echo "FAILED: nothing is exported"; exit 1; }
compare "exported (<) and listed (>) differ" "$exported" "$listed"
compare "exported (<) and declared (>) differ" "$exported" "$declared"
[ $status -ne 0 ] || echo "ok: $(wc -l <<<"$exported") exported functions, all of them listed and declared"
exit $status
