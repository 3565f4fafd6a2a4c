# SPDX-License-Identifier: MIT
# about: revoked inside a large MAP, attaching and ringing all the while: no DMA lands after force began
. /cases/lib.sh
for device in $edu_port1 $edu_port2; do bind $device >/dev/null; done
rm -f $log
broker_start <<EOF
version: 1
host: { locked_memory: 1GiB }
sockets: [ { name: main, path: broker.sock, mode: "0666" } ]
tenants:
  - name: mallory
    match: { uid: 1001 }
    devices: [ { name: edu0, address: "$edu_port1" } ]
    limits: { locked_memory: 512MiB }
  - name: victim
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

for round in 1 2; do
	note "--- $round"
	dd if=/dev/zero of=/dev/shm/force bs=4096 count=1 2>/dev/null
	chmod 666 /dev/shm/force
	as 1001 vm-revoked $run/broker.sock edu0 /dev/shm/force >/tmp/revoked.out 2>&1 &
	hostile=$!
	await "grep -q ^attacking /tmp/revoked.out"
	session=$(sed -n 's/^session //p' /tmp/revoked.out)
	sleep 1
	sleep 0.$((round * 13 % 10))
	vm-witness /dev/shm/force iommu-brokerctl revoke $session || fail "the revocation"
	status=0
	wait $hostile || status=$?
	cat /tmp/revoked.out
	[ $status = 0 ] || { cat $log; fail "the hostile client ended with status $status"; }
	await_log session.swept "session=$session "
	grep -E "session\.(revoke|end|swept) session=$session " $log
done
exec 7>&-
wait $victim || { cat /tmp/victim.out; fail "the victim noticed"; }
cat /tmp/victim.out
note "--- the device goes to the next who asks"
as 1001 edu-dma --socket $run/broker.sock --device edu0 --wait --blocks 2
broker_stop
