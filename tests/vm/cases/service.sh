# SPDX-License-Identifier: MIT
# about: the hardened service under systemd: rights, cgroups, a broker killed in the middle of a session, a stop
# kernel: iommub.systemd
. /cases/lib.sh
unit=iommu-brokerd.service
bind "$edu_port1" >/dev/null
chmod 600 /dev/iommu /dev/vfio/vfio /dev/vfio/[0-9]* /dev/vfio/devices/*
systemd-sysusers
cat >/etc/iommu-broker/policy.yaml <<POLICY
version: 1
host: { locked_memory: 256MiB, session_uids: { first: 0x70000000, count: 1024 } }
sockets: [ { name: main, path: broker.sock, mode: "0666" }, { name: own, path: t/own/broker.sock, owner: "1002", mode: "0600" } ]
tenants:
  - name: alpha
    match: { uid: 1001 }
    devices: [ { name: edu0, address: "$edu_port1" } ]
    limits: { locked_memory: 64MiB, connections: 4 }
    cgroup: { memory_max: 192MiB, pids_max: 12 }
POLICY
systemctl start $unit || { systemctl status $unit; fail "the service did not start"; }
main() { systemctl show -p MainPID --value $unit; }
pid=$(main)
note "exposed rights of the supervisor: $(grep -E '^Cap(Eff|Bnd)' /proc/$pid/status | tr '\n\t' '  ')$(grep NoNewPrivs /proc/$pid/status | tr '\t' ' ')"
[ "$(stat -c '%a %u' /run/iommu-broker/t/own/broker.sock)" = "600 1002" ] || fail "a socket's owner was not set"

mkfifo /tmp/hold
as 1001 edu-dma --socket $run/broker.sock --device edu0 --blocks 4 --hold </tmp/hold >/tmp/alpha 2>&1 &
client=$!
exec 4>/tmp/hold
await 'grep -q ^holding /tmp/alpha || ! kill -0 '$client
grep -q ^holding /tmp/alpha || { cat /tmp/alpha; fail "no DMA"; }
session=$(pidof iommu-broker-session)
group=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/$session/cgroup)
note "session: uid $(stat -c %u /proc/$session), $(sed -n 's/^0:://p' /proc/$session/cgroup), memory.max $(cat $group/memory.max), pids.max $(cat $group/pids.max)"
[ "$(cat $group/memory.max) $(cat $group/pids.max)" = "201326592 12" ] || fail "the policy's cgroup limits are not there"
[ "$(cat /proc/$pid/oom_score_adj) $(cat /proc/$session/oom_score_adj)" = "-500 0" ] || fail "who is spared: broker $(cat /proc/$pid/oom_score_adj), session $(cat /proc/$session/oom_score_adj)"
iommu-brokerctl host check >/tmp/check || { cat /tmp/check; fail "something is to be mended"; }
grep -E ' (cgroup|memlock) ' /tmp/check

# Only the devices of the unit, and nothing to write to but its own directory.
nsenter_ok() { nsenter -t "$(main)" -m "$@"; }
nsenter_ok sh -c 'echo x >/etc/x' 2>/dev/null && fail "the service's /etc is writable"
nsenter_ok sh -c 'echo x >/run/iommu-broker/x && rm /run/iommu-broker/x' || fail "its own directory is not writable"

kill -KILL "$pid"
await '[ "$(main)" != '"$pid"' ] && [ "$(systemctl is-active '$unit')" = active ]'
[ -d /proc/$session ] || fail "the session ended with the broker"
kill -0 $client || fail "the client ended with the broker"
note "the broker was killed and started again; session $session is still there, in $(sed -n 's/^0:://p' /proc/$session/cgroup)"
as 1001 ask --socket $run/broker.sock <<ASK >/tmp/ask
who
ASK
cat /tmp/ask
grep -q '^ok: tenant alpha' /tmp/ask || fail "the new broker serves nobody"
[ "$(cat $group/memory.max)" = 201326592 ] || fail "the new broker did not set the limits again: $(cat $group/memory.max)"

exec 4>&-
wait $client || { cat /tmp/alpha; fail "the client's DMA failed after the broker's end"; }
systemctl stop $unit
await '! pidof iommu-brokerd >/dev/null'
[ "$(systemctl show -p Result --value $unit)" = success ] || fail "result: $(systemctl show -p Result --value $unit)"
[ -d /run/iommu-broker/t/own ] || fail "the directory of a tenant's socket went with the service"
pidof iommu-broker-session && fail "sessions are left after a stop"
note "stopped: $(systemctl show -p Result --value $unit), no session left"
