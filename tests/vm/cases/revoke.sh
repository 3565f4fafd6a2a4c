# SPDX-License-Identifier: MIT
# about: iommu-brokerctl revoke: each step, from the kill to the device's next tenant, with and without an accomplice
. /cases/lib.sh
bind $edu_port1 >/dev/null
bind $edu_root >/dev/null
broker_start <<EOF
version: 1
host: { locked_memory: 1GiB }
sockets: [ { name: main, path: broker.sock, mode: "0666" } ]
tenants:
  - name: alpha
    match: { uid: 1001 }
    devices: [ { name: edu, address: "$edu_port1" }, { name: other, address: "$edu_root", reset: unsafe } ]
    limits: { locked_memory: 768MiB }
  - name: beta
    match: { uid: 1002 }
    devices: [ { name: edu, address: "$edu_port1" } ]
    limits: { locked_memory: 64MiB }
EOF
note "--- a session that does DMA"
rm -f /tmp/stop
mkfifo /tmp/stop
exec 8<>/tmp/stop
as_input=8 as_start 1001 /tmp/victim.out vm-victim $run/broker.sock edu
await 'grep -q working /tmp/victim.out'
iommu-brokerctl ls
iommu-brokerctl revoke 1
wait $client && fail "the client did not see the end"
note "the client: $(tail -n 1 /tmp/victim.out)"
as 1002 edu-dma --socket $run/broker.sock --device edu --wait --blocks 1 | tail -n 1
await "iommu-brokerctl ls | grep -q '$edu_port1 .* free '"
note "--- with an accomplice that has the fd, in the middle of a MAP of 512 MiB"
as_start 1001 /tmp/holder.out vm-holder $run/broker.sock edu fd 0x20000000
await 'grep -q mapping /tmp/holder.out'
session=$(sed -n 's/.*session \([0-9]*\)$/\1/p' /tmp/holder.out)
iommu-brokerctl revoke --json $session | tee /tmp/steps
grep -q '"step": "done".*"devices_held": 1' /tmp/steps || fail "the device is not told to be held"
iommu-brokerctl ls | grep -A 9 ^DEVICE
kill -KILL $(sed -n 's/holding: accomplice \([0-9]*\),.*/\1/p' /tmp/holder.out)
await_log device.unheld
note "--- what cannot be"
status=0; iommu-brokerctl revoke 4711 || status=$?
[ $status = 1 ] || fail "status $status for a session that is not there"
status=0; iommu-brokerctl revoke nonsense >/dev/null 2>&1 || status=$?
[ $status = 2 ] || fail "status $status for a wrong command line"
status=0; as 1001 iommu-brokerctl ls || status=$?
[ $status = 3 ] || fail "status $status for a tenant"
broker_stop
grep -E 'swept|sweep' $log
