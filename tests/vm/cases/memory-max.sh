# SPDX-License-Identifier: MIT
# about: a tenant over memory.max of its cgroup loses its session, which the audit says; its neighbour does not notice
. /cases/lib.sh
for device in $edu_port1 $edu_port2; do bind $device >/dev/null; done
mkdir -p /sys/fs/cgroup/broker
rm -f $log
broker_options="--cgroup /sys/fs/cgroup/broker"
broker_start <<EOF
version: 1
host: { locked_memory: 512MiB }
sockets: [ { name: main, path: broker.sock, mode: "0666" } ]
tenants:
  - name: glutton
    match: { uid: 1001 }
    devices: [ { name: edu0, address: "$edu_port1" } ]
    limits: { locked_memory: 256MiB }
    cgroup: { memory_max: 64MiB }
  - name: neighbour
    match: { uid: 1002 }
    devices: [ { name: edu1, address: "$edu_port2" } ]
    limits: { locked_memory: 64MiB }
EOF
rm -f /tmp/victim
mkfifo /tmp/victim
as 1002 vm-victim $run/broker.sock edu1 </tmp/victim >/tmp/victim.out 2>&1 &
victim=$!
exec 7>/tmp/victim
await "grep -q ^working /tmp/victim.out"

note "--- 128 MiB for a tenant whose sessions may use 64 MiB of memory"
echo | as 1001 vm-pin $run/broker.sock edu0 134217728 2>&1 | sed 's/^/  /' || true
await_log session.end "memory.max"
grep -E 'session.(end|swept)' $log | tail -n 2
cat /sys/fs/cgroup/broker/tenant-glutton/memory.events | tr '\n' ' '; echo
await_log session.swept
note "--- the tenant may come back"
echo | as 1001 vm-pin $run/broker.sock edu0 16777216 >/tmp/again.out 2>&1 || true
sed 's/^/  /' /tmp/again.out
grep -q 'attach with 16777216 bytes: accepted' /tmp/again.out || fail "the second session"
exec 7>&-
wait $victim || { cat /tmp/victim.out; fail "the neighbour"; }
cat /tmp/victim.out
[ "$(grep -c 'memory.max' $log)" = 1 ] || fail "more than one session is said to be over memory.max"
broker_stop
