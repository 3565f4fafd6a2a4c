# SPDX-License-Identifier: MIT
# about: memory of huge pages: the demo's client with DMA of a real edu, and a policy that does not permit it
. /cases/lib.sh
bind $edu_port1 >/dev/null
echo 8 >/proc/sys/vm/nr_hugepages
[ "$(cat /proc/sys/vm/nr_hugepages)" = 8 ] || fail "the guest has no 8 huge pages to give"
broker_start <<EOF
version: 1
host: { locked_memory: 256MiB }
sockets: [ { name: main, path: broker.sock, mode: "0666" } ]
tenants:
  - name: alpha
    match: { uid: 1001 }
    devices: [ { name: edu0, address: "$edu_port1" } ]
    limits: { locked_memory: 64MiB }
  - name: beta
    match: { uid: 1002 }
    memory: [ memfd ]
    limits: { locked_memory: 64MiB }
EOF
# Four huge pages, pinned at ATTACH, written and read by the device.
as 1001 edu-dma --socket $run/broker.sock --hugepages --bytes 8388608 --blocks 4
# Exactly what there is, and one huge page more: refused by the client's own memfd, before anything is asked.
as 1001 edu-dma --socket $run/broker.sock --hugepages --bytes 16777216 --blocks 2
as 1001 edu-dma --socket $run/broker.sock --hugepages --bytes 18874368 --blocks 2 2>&1 && fail "there was no ninth huge page"
as 1002 edu-dma --socket $run/broker.sock --hugepages 2>&1 && fail "beta may not use huge pages"
await '[ "$(awk "/HugePages_Free/ { print \$2 }" /proc/meminfo)" = 8 ]'
note "all 8 huge pages are free again"
broker_stop
