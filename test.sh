#!/bin/bash
# SPDX-License-Identifier: MIT
# Install what is missing, build, and run every test that needs no real IOMMU.
#
#   ./test.sh [--preset dev|asan|release|clang|all] [--no-install] [-- CTEST-ARGUMENTS]
#
# The last line is "N passed, M failed", and the exit status says the same. Above it is a table by tier.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$root/tests/build-directory.sh"

presets=(dev)
install_arguments=()
ctest_arguments=()
while [ $# -gt 0 ]; do
	case $1 in
	--preset) presets=("${2:?--preset needs a name}"); shift ;;
	--preset=*) presets=("${1#*=}") ;;
	--no-install) install_arguments+=(--no-install) ;;
	--) shift; ctest_arguments=("$@"); break ;;
	-h | --help) sed -n '3,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
	*) echo "$0: unknown argument: $1 (try --help)" >&2; exit 2 ;;
	esac
	shift
done
[ "${presets[0]}" = all ] && presets=(dev asan release clang)
case " ${presets[*]} " in *" clang "*) install_arguments+=(--clang) ;; esac

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
: >"$scratch/totals"

# Configure, build, run and count one preset. A build that fails is one failure.
run_preset() {
	local preset=$1 build started
	build=$(build_directory "$preset")
	echo "== $preset: building in $build"
	started=$SECONDS
	if ! { (cd "$root" && cmake --preset "$preset" -B "$build") >"$scratch/configure.log" 2>&1 &&
		cmake --build "$build" >"$scratch/build.log" 2>&1; }; then
		cat "$scratch/configure.log"
		tail -n 100 "$scratch/build.log" 2>/dev/null || true
		echo "== $preset: the build failed"
		echo "0 1 0" >>"$scratch/totals"
		return
	fi
	echo "== $preset: built in $((SECONDS - started)) s; testing"
	local tier
	for tier in unit conformance policy integration fuzz; do
		ctest --test-dir "$build" -N -L "^$tier\$" | awk -v t="$tier" '$1 == "Test" { print t, $3 }'
	done >"$scratch/tiers"
	rm -f "$scratch/junit.xml"
	ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$(nproc)" \
		--test-output-size-passed 1000000 --output-junit "$scratch/junit.xml" \
		"${ctest_arguments[@]}" 2>&1 || true
	if [ ! -s "$scratch/junit.xml" ]; then
		echo "== $preset: no tests were run"
		echo "0 1 0" >>"$scratch/totals"
		return
	fi
	echo
	echo "== $preset"
	awk -v totals="$scratch/totals" -f "$root/tests/summary.awk" "$scratch/tiers" "$scratch/junit.xml"
	echo
}

if ! "$root/tests/install-packages.sh" "${install_arguments[@]}"; then
	echo "0 passed, 1 failed"
	exit 1
fi
for preset in "${presets[@]}"; do
	run_preset "$preset"
done
awk '{ p += $1; f += $2; s += $3 }
	END { if (s) print s " skipped"; print p + 0 " passed, " f + 0 " failed"; exit f > 0 || p == 0 }' "$scratch/totals"
