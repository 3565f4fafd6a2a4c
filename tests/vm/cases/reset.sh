# SPDX-License-Identifier: MIT
# about: between tenants: no reset refused to a second tenant, e1000e reset and handed over, reset: none and unsafe
. /cases/lib.sh
for device in $edu_root $edu_port1 $e1000e; do bind $device >/dev/null; done
broker_start <<EOF
version: 1
host: { locked_memory: 256MiB }
sockets: [ { name: main, path: broker.sock, mode: "0666" } ]
tenants:
  - name: alpha
    match: { uid: 1001 }
    devices:
      - { name: none, address: "$edu_root", reset: none }
      - { name: unsafe, address: "$edu_port1", reset: unsafe }
      - { name: net, address: "$e1000e" }
    limits: { locked_memory: 64MiB }
  - name: beta
    match: { uid: 1002 }
    devices:
      - { name: none, address: "$edu_root", reset: none }
      - { name: unsafe, address: "$edu_port1", reset: unsafe }
      - { name: net, address: "$e1000e" }
    limits: { locked_memory: 64MiB }
  - name: gamma
    match: { uid: 1003 }
    devices: [ { name: required, address: "$edu_root" }, { name: strict, address: "$edu_port1" } ]
    limits: { locked_memory: 64MiB }
EOF
lend() { # uid device
	as_start $1 /tmp/holder.out vm-holder $run/broker.sock $2 none
	await 'grep -qE "holding|FAILED|refused|E[A-Z]+" /tmp/holder.out || ! kill -0 $client 2>/dev/null'
	if grep -q holding /tmp/holder.out; then
		note "uid $1 gets $2"
		kill -KILL $client
		wait $client || true
		await 'iommu-brokerctl ls | grep -q "^no sessions"'
		return 0
	fi
	wait $client || true
	note "uid $1 is refused $2: $(cat /tmp/holder.out)"
	return 1
}
lend 1003 required && fail "a device without reset was lent as required"
lend 1001 none || fail "the first tenant was refused"
await 'iommu-brokerctl ls | grep -q "$edu_root .* free"'
lend 1002 none && fail "a device without reset went to a second tenant"
lend 1001 none || fail "the same tenant was refused"
lend 1001 unsafe || fail "unsafe was refused"
await 'iommu-brokerctl ls | grep -q "$edu_port1 .* free"'
lend 1002 unsafe || fail "unsafe was refused to a second tenant"
await 'iommu-brokerctl ls | grep -q "$edu_port1 .* free"'
lend 1003 strict && fail "unsafe of one tenant did away with the reset that another one requires"
lend 1001 net || fail "e1000e was refused"
await 'iommu-brokerctl ls | grep -q "$e1000e .* free"'
lend 1002 net || fail "e1000e was refused to a second tenant"
grep -E "device\.(reset|unresettable|granted|cut)" $log
iommu-brokerctl ls | grep -A 9 ^DEVICE
broker_stop
