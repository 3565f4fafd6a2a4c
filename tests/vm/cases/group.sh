# SPDX-License-Identifier: MIT
# about: two functions of one slot are one IOMMU group: another session, also of the same tenant, is refused the other one
. /cases/lib.sh
bind $edu_multi0 >/dev/null
bind $edu_multi1 >/dev/null
broker_start <<EOF
version: 1
host: { locked_memory: 256MiB }
sockets: [ { name: main, path: broker.sock, mode: "0666" } ]
tenants:
  - name: alpha
    match: { uid: 1001 }
    devices: [ { name: one, address: "$edu_multi0", reset: unsafe }, { name: two, address: "$edu_multi1", reset: unsafe } ]
    limits: { locked_memory: 64MiB }
EOF
as_start 1001 /tmp/holder.out vm-holder $run/broker.sock one none
await 'grep -q holding /tmp/holder.out'
as 1001 edu-dma --socket $run/broker.sock --device two >/tmp/next.out 2>&1 && fail "another session got a device of the group"
grep 'group' /tmp/next.out || fail "refused without the group: $(cat /tmp/next.out)"
grep 'session 1' /tmp/next.out >/dev/null || fail "refused without the session: $(cat /tmp/next.out)"
kill -KILL $client
wait $client || true
as 1001 edu-dma --socket $run/broker.sock --device two --wait --blocks 1 | tail -n 1
iommu-brokerctl ls
broker_stop
