# SPDX-License-Identifier: MIT
# about: what is mapped, where, and for what: shown by a real device's DMA; with IOAS_MAP_FILE and without it
. /cases/lib.sh
bind $edu_port1 >/dev/null
for broker_options in "" --mask-map-file; do
	note "--- the broker runs with: ${broker_options:-no more options}"
	rm -f $log
	broker_start <<-EOF
		version: 1
		host: { locked_memory: 256MiB }
		sockets: [ { name: main, path: broker.sock, mode: "0666" } ]
		tenants:
		  - name: alpha
		    match: { uid: 1001 }
		    devices: [ { name: edu0, address: "$edu_port1" } ]
		    iova_windows: [ { start: 0x1000000, last: 0x7ffffff } ]
		    limits: { locked_memory: 64MiB }
	EOF
	as 1001 vm-dma-maps $run/broker.sock edu0 >/tmp/out.$$ 2>&1 || { cat /tmp/out.$$ $log; fail "vm-dma-maps"; }
	cat /tmp/out.$$
	grep -v '^ok: ' /tmp/out.$$ && fail "a line that is not ok"
	sed 's/0x[0-9a-f]*/ADDRESS/g' /tmp/out.$$ >/tmp/lines"$broker_options"
	broker_stop
done
cmp /tmp/lines /tmp/lines--mask-map-file || fail "without IOAS_MAP_FILE it is not the same"
note "both runs say the same: $(wc -l </tmp/lines) lines"
