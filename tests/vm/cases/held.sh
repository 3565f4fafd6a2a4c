# SPDX-License-Identifier: MIT
# about: cut, held, free: an accomplice has the fd, a BAR mapping, an unread message; the next tenant waits for it to go
. /cases/lib.sh
bind $edu_port1 >/dev/null
broker_start <<EOF
version: 1
host: { locked_memory: 256MiB }
sockets: [ { name: main, path: broker.sock, mode: "0666" } ]
tenants:
  - name: alpha
    match: { uid: 1001 }
    devices: [ { name: edu, address: "$edu_port1" } ]
    limits: { locked_memory: 64MiB, devices: 1 }
  - name: beta
    match: { uid: 1002 }
    devices: [ { name: edu, address: "$edu_port1" } ]
    limits: { locked_memory: 64MiB }
EOF
for how in fd registers message; do
	note "--- the accomplice has: $how"
	as_start 1001 /tmp/holder.out vm-holder $run/broker.sock edu $how
	await 'grep -q holding /tmp/holder.out'
	accomplice=$(sed -n 's/holding: accomplice \([0-9]*\),.*/\1/p' /tmp/holder.out)
	session=$(sed -n 's/.*session \([0-9]*\)$/\1/p' /tmp/holder.out)
	kill -KILL $client
	wait $client || true
	await_log device.held
	as 1002 edu-dma --socket $run/broker.sock --device edu >/tmp/next.out 2>&1 && fail "the next tenant got a held device"
	grep 'held' /tmp/next.out || fail "not refused as held: $(cat /tmp/next.out)"
	if [ $how = fd ]; then
		as 1001 edu-dma --socket $run/broker.sock --device edu >/tmp/next.out 2>&1 && fail "its own tenant got a held device"
		grep 'already' /tmp/next.out || fail "a held device does not count: $(cat /tmp/next.out)"
	fi
	iommu-brokerctl ls | grep -A 1 ^DEVICE
	kill -KILL $accomplice
	await_log device.unheld
	as 1002 edu-dma --socket $run/broker.sock --device edu --wait --blocks 1 | tail -n 1
	await "iommu-brokerctl ls | grep -q ' free '"
	grep -E "session.swept session=$session |device\.(cut|held|unheld|reset)" $log | tail -n 6
	: >$log
done
broker_stop
