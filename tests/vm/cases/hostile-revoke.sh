# SPDX-License-Identifier: MIT
# about: revoked inside a large MAP, attaching and ringing all the while: no DMA lands after force began
. /cases/lib.sh
for device in $edu_port1 $edu_port2 $edu_root $edu_multi0 $edu_multi1; do bind $device >/dev/null; done
rm -f $log
broker_start <<EOF
version: 1
host: { locked_memory: 1GiB }
sockets: [ { name: main, path: broker.sock, mode: "0666" } ]
tenants:
  - name: mallory
    match: { uid: 1001 }
    devices:
      - { name: edu0, address: "$edu_port1" }
      - { name: edu2, address: "$edu_root", reset: unsafe }
      - { name: edu3, address: "$edu_multi0", reset: unsafe }
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

# Where the doorbell sends the device, and the devices that are attached. Once more if the MAP was over too early.
for attack in "above edu0" "above edu0 edu2 edu3" "inside edu0"; do
	for try in 1 2 3 4 5 6 7 8; do
		note "--- target $attack"
		dd if=/dev/zero of=/dev/shm/force bs=4096 count=1 2>/dev/null
		chmod 666 /dev/shm/force
		: >/tmp/revoked.out
		as 1001 vm-revoked $run/broker.sock /dev/shm/force $attack >/tmp/revoked.out 2>&1 &
		hostile=$!
		await "grep -qE '^(inside a MAP|FAILED)' /tmp/revoked.out"
		session=$(sed -n 's/^session //p' /tmp/revoked.out)
		vm-witness /dev/shm/force iommu-brokerctl revoke $session || { cat /tmp/revoked.out $log; fail "the revocation"; }
		status=0
		wait $hostile || status=$?
		cat /tmp/revoked.out
		await_log session.swept "session=$session "
		grep -E "session\.(revoke|end|swept) session=$session " $log
		[ $status = 2 ] || break
	done
	[ $status = 0 ] || { cat $log; fail "the hostile client ended with status $status"; }
done
exec 7>&-
wait $victim || { cat /tmp/victim.out; fail "the victim noticed"; }
cat /tmp/victim.out
note "--- the device goes to the next who asks"
as 1001 edu-dma --socket $run/broker.sock --device edu0 --wait --blocks 2
broker_stop
