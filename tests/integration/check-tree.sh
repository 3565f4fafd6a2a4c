#!/bin/bash
# SPDX-License-Identifier: MIT
# check-tree.sh ROOT: rules on the tree that no compiler checks.
#   - who may include whom (CONTRIBUTING.md, "Layout")
#   - an SPDX line at the top of every file
#   - no file of ours above 700 lines
#   - the commands that README and CONTRIBUTING name exist
#   - no marks of work left undone
set -uo pipefail
cd "$1" || exit 1
failed=0
complain() {
	echo "$*"
	failed=1
}

mapfile -t files < <(find . -type f -not -path './build*' -not -path './.git/*' -not -path './.git' \
	-not -path './.cache/*' -printf '%P\n' | LC_ALL=C sort)

# An include of a path below the root, "broker/…": DIRECTORY (but EXCEPT) may include only what matches PATTERN.
wall() { # DIRECTORY PATTERN [EXCEPT]
	local directory=$1 pattern=$2 hit
	while read -r hit; do
		[ -n "$hit" ] && complain "include wall: $hit"
	done < <(find "$directory" -name '*.[ch]' -not -path "${3:-}" -exec grep -nHE '^#include "[a-z_]+/' {} + 2>/dev/null |
		grep -vE "#include \"($pattern)" || true)
}
wall broker/common 'broker/common/|include/'
wall broker/sim 'broker/sim/|include/'
wall policy 'policy/'
wall broker/supervisor 'broker/supervisor/|broker/common/|policy/|include/' 'broker/supervisor/helper/*'
wall broker/supervisor/helper 'broker/supervisor/|broker/common/|broker/sim/|include/'
wall broker/session 'broker/session/|broker/common/|broker/sim/|include/'
wall client 'client/|include/'
# Nothing of the protocol's code where no client's byte may be parsed.
while read -r hit; do
	[ -n "$hit" ] && complain "protobuf outside session and client: $hit"
done < <(grep -rnE --include='*.[ch]' '#include [<"](.*\.pb-c\.h|protobuf-c)' broker/supervisor broker/common broker/sim policy \
	2>/dev/null || true)

# One awk for all files: a process for each would take longer than all other rules together.
while read -r hit; do
	complain "$hit"
done < <(printf '%s\0' "${files[@]}" | grep -zvE '^LICENSE$|\.json$|\.bin$|/exports\.txt$|/corpus/' | xargs -0 awk '
	function finish() {
		if (file != "" && !marked)
			print "no SPDX line: " file
		if (lines > 700)
			print lines " lines: " file
	}
	FNR == 1 { finish(); file = FILENAME; marked = 0 }
	FNR <= 3 && /SPDX-License-Identifier: MIT/ { marked = 1 }
	{ lines = FNR }
	END { finish() }')

marks='TO''DO|FIX''ME|XX''X:'
while read -r hit; do
	[ -n "$hit" ] && complain "left to do: $hit"
done < <(grep -nE "\\b($marks)\\b" "${files[@]}" 2>/dev/null || true)

for document in README.md CONTRIBUTING.md; do
	[ -f "$document" ] || { complain "no $document"; continue; }
	while read -r command; do
		[ -x "$command" ] || complain "$document names $command, which is not there"
	done < <(grep -oE '(^|[ `(])\./[a-z][a-z./-]*\.sh\b|\btests/[a-z/-]+\.sh\b|\.ci/run\b' "$document" | tr -d ' `(' | sort -u)
	# Paths that a link or the layout names.
	while read -r path; do
		[ -e "$path" ] || complain "$document links to $path, which is not there"
	done < <(grep -oE '\]\([a-zA-Z0-9_./-]+\)' "$document" | tr -d '])(' | sort -u)
done
# What README shows is what is there: the first block of a language is a file from its first line of that pattern on.
shows() { # LANGUAGE FILE PATTERN
	diff <(awk -v fence='```'"$1" '$0 == fence && !done { on = 1; next } on && $0 == "```" { done = 1; on = 0 } on' \
		README.md) <(sed -n "/$3/,\$p" "$2") >/dev/null || complain "README's $1 block is not $2"
}
shows yaml policy/examples/lab.yaml '^version:'
shows c client/examples/borrow.c '^#include'
[ $failed = 0 ] && echo "tree: ${#files[@]} files, all rules hold"
exit $failed
