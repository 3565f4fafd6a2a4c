# SPDX-License-Identifier: MIT
# What the cases share. Sourced; runs under `sh -eu` of busybox.

# The devices that run.sh plugs in.
edu_root=0000:00:03.0    # on the root bus: no reset at all
edu_multi0=0000:00:05.0  # two functions of one slot: one IOMMU group
edu_multi1=0000:00:05.1
edu_port1=$(basename "$(readlink -f /sys/bus/pci/devices/0000:00:06.0/0000:*:00.0 2>/dev/null || echo none)") # behind a root port: bus reset
edu_port2=$(basename "$(readlink -f /sys/bus/pci/devices/0000:00:07.0/0000:*:00.0 2>/dev/null || echo none)")
e1000e=$(basename "$(readlink -f /sys/bus/pci/devices/0000:00:08.0/0000:*:00.0 2>/dev/null || echo none)")

fail() { echo "FAILED: $*"; exit 1; }
note() { echo "$*"; }

# Bind a device to vfio-pci and print its node's name.
bind() {
	dev=/sys/bus/pci/devices/$1
	if [ "$(basename "$(readlink "$dev/driver" 2>/dev/null || echo none)")" != vfio-pci ]; then
		echo vfio-pci >"$dev/driver_override"
		[ -e "$dev/driver" ] && echo "$1" >"$dev/driver/unbind"
		echo "$1" >/sys/bus/pci/drivers_probe
	fi
	ls "$dev/vfio-dev"
}

# What the broker demands of a host: nodes that are root's alone (/dev/vfio/vfio is everybody's by default).
close_nodes() { find /dev/iommu /dev/vfio -type c -exec chmod 0600 {} +; }

# ---- a broker ----------------------------------------------------------------------------------------------------

run=/run/iommu-broker
log=/tmp/broker.log

# Start iommu-brokerd with the policy on standard input; its log is $log, its sockets are below $run.
broker_start() {
	mkdir -p $run
	close_nodes
	if [ "${1:-}" != again ]; then # a second time in one case: the same policy, the log goes on
		cat >/tmp/policy.yaml
		: >$log
	fi
	mkfifo /tmp/ready.$$
	iommu-brokerd --policy /tmp/policy.yaml --run-dir $run --backend kernel --libexec-dir /broker \
		--ready-fd 9 --foreground --log $log ${broker_options:-} 9>/tmp/ready.$$ &
	broker=$!
	read -r ready </tmp/ready.$$ || true
	rm -f /tmp/ready.$$
	[ "${ready:-}" = ready ] || { cat $log; fail "the broker did not start"; }
}
broker_stop() {
	kill -TERM $broker
	wait $broker || { cat $log; fail "the broker did not end with status 0"; }
}

# Run a program as an ordinary user without groups or capabilities: as UID COMMAND…
as() {
	uid=$1
	shift
	/usr/bin/setpriv --reuid "$uid" --regid "$uid" --clear-groups --inh-caps=-all --bounding-set=-all "$@"
}

# Wait until a line with all the given words is in the log: await_log WORD…
await_log() { await "grep -F -- \"$1\" $log$(shift; for word; do printf ' | grep -F -- "%s"' "$word"; done) >/dev/null"; }
# Wait until a command succeeds; half a minute at most.
await() {
	tries=0
	until eval "$1"; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || fail "waited in vain: $1"
		usleep 50000
	done
}

# The process of a session, by its number.
session_pid() { sed -n "s/.*session\.start .*session=$1 .*[ ]pid=\([0-9]*\) .*/\1/p" $log | tail -n 1; }

# The same in the background, with what it says in a file: as_start UID FILE COMMAND…; its process is $client. Its input is fd $as_input.
as_start() {
	uid=$1 out=$2
	shift 2
	: >"$out"
	/usr/bin/setpriv --reuid "$uid" --regid "$uid" --clear-groups --inh-caps=-all --bounding-set=-all "$@" >"$out" 2>&1 <&"${as_input:-0}" &
	client=$!
}
