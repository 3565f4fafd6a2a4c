# SPDX-License-Identifier: MIT
# about: a device without reset, from tenant to tenant: its buffer is read by the next one, and is zero after a scrub program
. /cases/lib.sh
bind $edu_root >/dev/null
policy() { # what else the devices' entries say
	cat <<EOF
version: 1
host: { locked_memory: 256MiB }
sockets: [ { name: main, path: broker.sock, mode: "0666" } ]
tenants:
  - name: alpha
    match: { uid: 1001 }
    devices: [ { name: edu0, address: "$edu_root", reset: unsafe$1 } ]
    limits: { locked_memory: 64MiB }
  - name: beta
    match: { uid: 1002 }
    devices: [ { name: edu0, address: "$edu_root", reset: unsafe$1 } ]
    limits: { locked_memory: 64MiB }
EOF
}
dma() { as "$1" edu-dma --socket $run/broker.sock --device edu0 --blocks 1 --wait $2; }
is_free() { iommu-brokerctl ls | grep -q "$edu_root .* $1"; }

policy "" >/tmp/policy.in
broker_start </tmp/policy.in
dma 1001 ""
if dma 1002 --expect-clean 2>/tmp/dma.err; then fail "without a scrub program the buffer was clean: this case shows nothing"; fi
cat /tmp/dma.err
grep -q "still holds what somebody left there" /tmp/dma.err || fail "beta failed, but not over that"
note "reset: unsafe alone: beta reads what alpha left"
broker_stop
grep -q device.scrubbed $log && fail "scrubbed without a program"

policy ", scrub: [/broker/vm-edu-scrub]" >/tmp/policy.in
broker_start </tmp/policy.in
dma 1002 --expect-clean # what the former broker's tenant left is gone, too
dma 1001 --expect-clean
dma 1002 --expect-clean
await 'is_free free'
note "with scrub: each finds zeros"
grep -E "device\.(scrubbed|reset|unresettable|granted|cut)" $log
[ "$(grep -c device.scrubbed $log)" = 4 ] || fail "not scrubbed at the start and after each tenant"
broker_stop

policy ", scrub: [/broker/vm-edu-scrub, one-argument-too-many]" >/tmp/policy.in
broker_start </tmp/policy.in
await 'is_free quarantined'
as 1001 edu-dma --socket $run/broker.sock --device edu0 --blocks 1 && fail "lent although its scrub program failed"
grep -F device.quarantined $log
broker_stop

# Two devices of one group, which is one context's at a time: each program waits for the other's.
for device in $edu_multi0 $edu_multi1; do bind $device >/dev/null; done
broker_start <<EOF
version: 1
host: { locked_memory: 256MiB }
sockets: [ { name: main, path: broker.sock, mode: "0666" } ]
tenants:
  - name: alpha
    match: { uid: 1001 }
    devices: [ { address: "0000:00:05.*", reset: unsafe, scrub: [/broker/vm-edu-scrub] } ]
    limits: { locked_memory: 64MiB }
EOF
for device in $edu_multi0 $edu_multi1; do await 'iommu-brokerctl ls | grep -qE "$device .* (free|quarantined)"'; done
grep -F "device." $log
[ "$(grep -c device.scrubbed $log)" = 2 ] || fail "two devices of one group were not both scrubbed"
broker_stop
