# SPDX-License-Identifier: MIT
# about: a session's uid and powers; the kernel refuses by itself what the ledger would grant, added up over sessions
. /cases/lib.sh
for device in $edu_port1 $edu_port2; do bind $device >/dev/null; done
rm -f $log
broker_start <<EOF
version: 1
host: { locked_memory: 256MiB }
sockets: [ { name: main, path: broker.sock, mode: "0666" } ]
tenants:
  - name: alpha
    match: { uid: 1001 }
    devices:
      - { name: edu0, address: "$edu_port1" }
      - { name: edu1, address: "$edu_port2" }
    limits: { locked_memory: 8MiB }
EOF

# A vm-pin named $1 on device $2, the rest its sizes; it waits with nothing pinned yet.
pin_start() {
	name=$1 device=$2
	shift 2
	mkfifo /tmp/pin.$name
	as 1001 vm-pin $run/broker.sock $device "$@" </tmp/pin.$name >/tmp/pin.$name.out 2>&1 &
	eval "pin_$name=$!"
	eval "exec $(pin_fd $name)>/tmp/pin.$name"
	await "grep -q '^session ' /tmp/pin.$name.out"
	session=$(sed -n 's/^session //p' /tmp/pin.$name.out)
	await "[ -n \"\$(session_pid $session)\" ]"
	pid=$(session_pid $session)
}
pin_fd() { case $1 in a) echo 6 ;; b) echo 7 ;; esac; }
pin_go() {
	eval "echo >&$(pin_fd $1)"
	await "grep -q '^holding' /tmp/pin.$1.out || grep -q '^FAILED' /tmp/pin.$1.out"
	sed "s/^/  $1: /" /tmp/pin.$1.out
}
pin_end() {
	eval "exec $(pin_fd $1)>&-"
	eval "wait \$pin_$1" || true
	rm /tmp/pin.$1 /tmp/pin.$1.out
	await_log session.swept "session=$2"
}
says() { grep -q -- "$2" /tmp/pin.$1.out || fail "$1 does not say: $2"; }

note "--- what a session is"
pin_start a edu0 4096
note "session $session is process $pid: $(readlink /proc/$pid/exe)"
grep -E '^(Uid|Gid|Groups|CapInh|CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' /proc/$pid/status
grep -E 'Max (locked memory|processes|core file size)' /proc/$pid/limits
uid=$(awk '/^Uid:/ { print $2 }' /proc/$pid/status)
[ "$(awk '/^Uid:/ { print $2 "," $3 "," $4 "," $5 }' /proc/$pid/status)" = "$uid,$uid,$uid,$uid" ] && [ "$uid" -ge 65536 ] || fail "its uid"
[ "$(grep -cE '^Cap(Inh|Prm|Eff|Bnd|Amb):[[:space:]]*0+$' /proc/$pid/status)" = 5 ] || fail "it has a capability: CAP_IPC_LOCK perhaps"
grep -qE '^NoNewPrivs:[[:space:]]*1$' /proc/$pid/status || fail "NoNewPrivs"
grep -qE '^Seccomp:[[:space:]]*2$' /proc/$pid/status || fail "Seccomp"
[ "$(awk '/Max locked memory/ { print $4 "," $5 }' /proc/$pid/limits)" = 8388608,8388608 ] || fail "RLIMIT_MEMLOCK is not the tenant's limit"
pin_end a $session

M=1048576
note "--- the ledger: exactly the limit, and a page more"
pin_start a edu0 $((8 * M)) 4096
pin_go a
says a 'attach with 8388608 bytes: accepted'
says a 'map 4096 bytes: refused: EDQUOT'
pin_end a $session

note "--- the kernel, below the ledger: RLIMIT_MEMLOCK of the session is 4 MiB; at ATTACH"
pin_start a edu0 $((4 * M))
prlimit --pid $pid --memlock=$((4 * M)):$((4 * M))
pin_go a
says a 'attach with 4194304 bytes: accepted'
pin_end a $session
pin_start a edu0 $((4 * M + 4096))
prlimit --pid $pid --memlock=$((4 * M)):$((4 * M))
pin_go a
says a 'map 4198400 bytes: accepted'
says a 'attach with 4198400 bytes: refused: ENOMEM'
pin_end a $session

note "--- the same at MAP, with the device attached"
pin_start a edu0 $((3 * M)) $M
prlimit --pid $pid --memlock=$((4 * M)):$((4 * M))
pin_go a
says a 'map 1048576 bytes: accepted'
pin_end a $session
pin_start a edu0 $((3 * M)) $((M + 4096))
prlimit --pid $pid --memlock=$((4 * M)):$((4 * M))
pin_go a
says a 'map 1052672 bytes: refused: ENOMEM'
pin_end a $session

note "--- two sessions of one tenant, a device each: the kernel adds them up"
pin_start a edu0 $((4 * M))
first=$session
pin_go a
says a 'attach with 4194304 bytes: accepted'
for more in 0 4096; do
	pin_start b edu1 $((2 * M + more))
	prlimit --pid $pid --memlock=$((6 * M)):$((6 * M))
	pin_go b
	if [ $more = 0 ]; then says b 'attach with 2097152 bytes: accepted'; else says b 'attach with 2101248 bytes: refused: ENOMEM'; fi
	pin_end b $session
done
pin_end a $first

note "--- what that leaves behind: nothing"
pin_start a edu0 $((8 * M))
pin_go a
says a 'attach with 8388608 bytes: accepted'
pin_end a $session
broker_stop
