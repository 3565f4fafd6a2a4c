# SPDX-License-Identifier: MIT
# about: the supervisor dies during DMA: not one byte is lost, mapping goes on; a new one shows the session, and lends the device after it
. /cases/lib.sh
bind $edu_port1 >/dev/null
bind $edu_port2 >/dev/null
broker_start <<EOF
version: 1
host: { locked_memory: 256MiB }
sockets: [ { name: main, path: broker.sock, mode: "0666" } ]
tenants:
  - name: alpha
    match: { uid: 1001 }
    devices: [ { name: one, address: "$edu_port1" }, { name: two, address: "$edu_port2" } ]
    limits: { locked_memory: 64MiB }
EOF
rm -f /tmp/stop
mkfifo /tmp/stop
exec 8<>/tmp/stop
as_input=8 as_start 1001 /tmp/victim.out vm-victim $run/broker.sock one
await 'grep -q working /tmp/victim.out'
session=$(session_pid 1)
kill -KILL $broker
wait $broker || true
note "the supervisor is killed; its session has process $session, and its device is at work"
sleep 1
kill -0 $session || fail "the session went with the supervisor"
kill -0 $client || fail "the client failed: $(cat /tmp/victim.out)"
broker_start again
iommu-brokerctl ls
iommu-brokerctl ls | grep -q "foreign  *$session " || fail "the session is not shown"
iommu-brokerctl ls | grep -q "$edu_port1 .* held " || fail "its device is not held"
as 1001 edu-dma --socket $run/broker.sock --device one >/tmp/next.out 2>&1 && fail "the device was lent twice"
grep held /tmp/next.out || fail "not refused as held: $(cat /tmp/next.out)"
as 1001 edu-dma --socket $run/broker.sock --device two --blocks 1 | tail -n 1
echo >&8
wait $client || fail "the session of the killed supervisor: $(cat /tmp/victim.out)"
tail -n 1 /tmp/victim.out
await "iommu-brokerctl ls | grep -q '$edu_port1 .* free '"
as 1001 edu-dma --socket $run/broker.sock --device one --blocks 1 | tail -n 1
grep -E "foreign|device\.(held|unheld)" $log
broker_stop
