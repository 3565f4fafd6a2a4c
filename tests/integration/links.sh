#!/bin/bash
# SPDX-License-Identifier: MIT
# links.sh BINDIR: what each program is linked with. The supervisor parses no client's byte, so it needs no parser.
set -euo pipefail
bin=$1
failed=0
needs() { readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'; }
forbid() { # PROGRAM PATTERN
	if needs "$bin/$1" | grep -E "$2"; then
		echo "$1 must not link $2"
		failed=1
	fi
	if nm -a "$bin/$1" 2>/dev/null | grep -E ' [TtDdBbRr] .*(protobuf_c_|iommubroker__v1__)' >/dev/null; then
		echo "$1 has protobuf code inside"
		failed=1
	fi
}
forbid iommu-brokerd protobuf
forbid iommu-broker-helper 'protobuf|fyaml|event'
if needs "$bin/iommu-broker-session" | grep -E 'fyaml|systemd|seccomp'; then
	echo "iommu-broker-session must not link these"
	failed=1
fi
grep -q protobuf <<<"$(needs "$bin/iommu-broker-session")" || { echo "the session should link protobuf-c"; failed=1; }
[ $failed = 0 ] && echo "links: as they should be"
exit $failed
