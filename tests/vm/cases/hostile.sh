# SPDX-License-Identifier: MIT
# about: a hostile client with a device fd reaches nothing beyond its own session; another tenant works on beside it
. /cases/lib.sh
for device in $edu_port1 $edu_port2; do bind $device >/dev/null; done
rm -f $log
broker_start <<EOF
version: 1
host: { locked_memory: 256MiB }
sockets: [ { name: main, path: broker.sock, mode: "0666" } ]
tenants:
  - name: mallory
    match: { uid: 1001 }
    devices: [ { name: edu0, address: "$edu_port1" } ]
    limits: { locked_memory: 64MiB }
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
cat /tmp/victim.out
status=0
as 1001 vm-hostile $run/broker.sock edu0 edu1 $edu_port1 $edu_port2 || status=$?
exec 7>&-
wait $victim || { cat /tmp/victim.out; fail "the victim noticed"; }
tail -n 1 /tmp/victim.out
[ $status = 0 ] || { cat $log; fail "the hostile client ended with status $status"; }
broker_stop
