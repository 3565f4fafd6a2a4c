# SPDX-License-Identifier: MIT
# about: --cgroup own: started in a delegated cgroup, in its child (as by systemd 254), and in the root, which is refused
. /cases/lib.sh
cat >/tmp/policy.yaml <<POLICY
version: 1
host: { locked_memory: 64MiB }
sockets: [ { name: main, path: broker.sock } ]
tenants:
  - { name: alpha, match: { uid: 0 }, limits: { locked_memory: 8MiB }, cgroup: { memory_max: 96MiB, pids_max: 9 } }
POLICY
top=/sys/fs/cgroup
start_in() { # CGROUP: start a broker there
	rm -f /tmp/ready
	mkfifo /tmp/ready
	sh -c "echo 0 >$1/cgroup.procs && exec iommu-brokerd --policy /tmp/policy.yaml --run-dir /run/own --backend model \
		--libexec-dir /broker --cgroup own --ready-fd 9 --log /tmp/own.log" 9>/tmp/ready 2>/tmp/own.err &
	broker=$!
	ready=
	read -r ready </tmp/ready || true
}
mkdir -p $top/given $top/beside/supervisor
for started in given beside/supervisor; do
	start_in $top/$started
	[ "$ready" = ready ] || { cat /tmp/own.*; fail "did not start in $started"; }
	owned=$top/${started%/supervisor}
	grep -q "^0::/${started%/supervisor}/supervisor\$" /proc/$broker/cgroup || fail "in $started: $(cat /proc/$broker/cgroup)"
	[ "$(cat $owned/tenant-alpha/memory.max) $(cat $owned/tenant-alpha/pids.max)" = "100663296 9" ] || fail "limits in $owned"
	note "started in /$started: is in $(cut -d: -f3 /proc/$broker/cgroup), tenants beside it: $(basename $owned/tenant-*)"
	kill $broker
	wait $broker || fail "ended with status $?"
done
start_in $top
[ -z "$ready" ] || fail "took the root cgroup for its own"
wait $broker && fail "status 0 in the root cgroup"
grep -q 'the root cgroup' /tmp/own.err || fail "does not say why: $(cat /tmp/own.err)"
note "in the root: $(cat /tmp/own.err)"
