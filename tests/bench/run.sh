#!/bin/bash
# SPDX-License-Identifier: MIT
# Build the release preset and run the benchmarks. Figures are ratios to a bare socket round trip in the same run; on a
# busy machine run it twice.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/tests/build-directory.sh"
build=$(build_directory release)
(cd "$root" && cmake --preset release -B "$build") >/dev/null
cmake --build "$build" --target bench-roundtrip >/dev/null
exec "$build/tests/bench-roundtrip"
