#!/bin/sh
# SPDX-License-Identifier: MIT
# test_usage.sh IOMMU-BROKERCTL: what scripts rely on: exit codes, and who is told what on which stream.
ctl=$1 failed=0
expect() { # STATUS PATTERN-OF-STDOUT PATTERN-OF-STDERR ARGUMENT…
	status=$1 out=$2 err=$3
	shift 3
	"$ctl" "$@" >"$scratch/out" 2>"$scratch/err"
	got=$?
	[ $got = "$status" ] || { echo "FAILED: $*: status $got, not $status"; failed=1; }
	if [ -n "$out" ]; then grep -q -- "$out" "$scratch/out" || { echo "FAILED: $*: no $out"; failed=1; }
	elif [ -s "$scratch/out" ]; then echo "FAILED: $*: prints"; failed=1; fi
	if [ -n "$err" ]; then grep -q -- "$err" "$scratch/err" || { echo "FAILED: $*: no $err"; failed=1; }
	elif [ -s "$scratch/err" ]; then echo "FAILED: $*: complains"; failed=1; fi
}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
expect 2 '' 'usage: iommu-brokerctl COMMAND'
expect 0 'host check' '' --help
expect 0 'iommu-brokerctl [0-9]' '' --version
expect 2 '' 'no such command: nothing' nothing
expect 2 '' 'no such command: host' host
expect 2 '' 'no such command: host nothing' host nothing
expect 0 'usage: iommu-brokerctl host check' '' host check --help
expect 2 '' 'usage: iommu-brokerctl host check' host check --wrong
expect 2 '' 'unexpected argument: more' host check more
expect 2 '' 'No such file' host check --root "$scratch/none"
expect 1 '^FIX   iommu ' '' host check --root "$scratch"
expect 1 '"level": "FIX", "topic": "iommu"' '' host check --json --root "$scratch"
exit $failed
