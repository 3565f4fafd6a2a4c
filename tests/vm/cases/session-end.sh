# SPDX-License-Identifier: MIT
# about: client, session, both die by SIGKILL in the middle of a MAP, an accomplice has the fd: the slot is free after the sweep, not before
. /cases/lib.sh
bind $edu_port1 >/dev/null
broker_start <<EOF
version: 1
host: { locked_memory: 1GiB }
sockets: [ { name: main, path: broker.sock, mode: "0666" } ]
tenants:
  - name: alpha
    match: { uid: 1001 }
    devices: [ { name: edu, address: "$edu_port1" } ]
    limits: { locked_memory: 768MiB, connections: 1 }
EOF
for victim in client session both; do
	as_start 1001 /tmp/holder.out vm-holder $run/broker.sock edu fd 0x20000000
	await 'grep -q mapping /tmp/holder.out'
	session=$(sed -n 's/.*session \([0-9]*\)$/\1/p' /tmp/holder.out)
	accomplice=$(sed -n 's/holding: accomplice \([0-9]*\),.*/\1/p' /tmp/holder.out)
	process=$(session_pid $session)
	case $victim in
	client) kill -KILL $client ;;
	session) kill -KILL $process ;;
	both) kill -KILL $client $process ;;
	esac
	# The tenant has one slot. Whoever connects before the sweep has ended is refused; the log has the order.
	until as 1001 edu-dma --socket $run/broker.sock --device nothing 2>&1 | grep -q 'nothing is not in your policy'; do :; done
	kill -KILL $client 2>/dev/null || true
	wait $client 2>/dev/null || true
	await_log "session.swept session=$session "
	note "--- SIGKILL for: $victim (session $session)"
	sed -n "/session=$session /,\$p" $log | grep -E "session\.(end|swept|start)|connection.refused|device\.(cut|held)" |
		awk -v s="session=$session " '
			/session.swept/ && index($0, s) { swept = 1 }
			/session.start/ && !index($0, s) { if (!swept) bad = 1 }
			/connection.refused/ { if (!swept) refused++; next }
			{ print }
			END { print refused + 0 " connections refused before the sweep had ended"; exit bad }' ||
		fail "a slot was given away before the sweep"
	await_log device.held
	kill -KILL $accomplice
	await "iommu-brokerctl ls | grep -q ' free '"
	: >$log
done
broker_stop
