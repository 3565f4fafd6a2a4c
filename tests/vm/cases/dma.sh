# SPDX-License-Identifier: MIT
# about: the demo's client, unchanged: DMA of a real edu both ways, its MSI, and none after unmap
. /cases/lib.sh
for device in $edu_root $edu_port1; do bind $device >/dev/null; done
broker_start <<EOF
version: 1
host: { locked_memory: 256MiB }
sockets: [ { name: main, path: broker.sock, mode: "0666" } ]
tenants:
  - name: alpha
    match: { uid: 1001 }
    devices:
      - { name: edu0, address: "$edu_root", reset: unsafe }
      - { name: edu1, address: "$edu_port1" }
    limits: { locked_memory: 64MiB }
EOF
as 1001 edu-dma --socket $run/broker.sock --device edu0 --blocks 4 --fault
as 1001 edu-dma --socket $run/broker.sock --device edu1 --blocks 4 --fault
broker_stop
grep -E "helper|swept|device" $log
