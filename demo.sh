#!/bin/bash
# SPDX-License-Identifier: MIT
# The main job, shown: two tenants share a machine's DMA device through the broker. On the user-space model of the
# IOMMU and of the device, so it needs no hardware and no rights; as root the tenants are two users, else two sockets.
#
#   ./demo.sh [--no-install] [--keep]
#
#   --no-install  do not install missing packages
#   --keep        keep the directory with the policy, the log and the sockets
#
# Exit status 0 only if every step did what it says.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$root/tests/build-directory.sh"

install_arguments=()
keep=no
for argument; do
	case $argument in
	--no-install) install_arguments+=(--no-install) ;;
	--keep) keep=yes ;;
	-h | --help) sed -n '3,11s/^# \{0,1\}//p' "$0"; exit 0 ;;
	*) echo "$0: unknown argument: $argument (try --help)" >&2; exit 2 ;;
	esac
done

# ---- build --------------------------------------------------------------------------------------
"$root/tests/install-packages.sh" "${install_arguments[@]}"
build=$(build_directory dev)
echo "building in $build"
mkdir -p "$build"
if ! { (cd "$root" && cmake --preset dev -B "$build") &&
	cmake --build "$build" --target iommu-brokerd iommu-broker-session iommu-broker-helper edu-dma ask; } \
	>"$build/demo-build.log" 2>&1; then
	tail -n 50 "$build/demo-build.log"
	exit 1
fi

# ---- the stage: a directory, a policy, a way to be somebody else ------------------------------------
stage=$(mktemp -d /tmp/iommu-broker-demo.XXXXXX)
chmod 755 "$stage"
broker_pid='' alpha_pid='' beta_pid=''
clean_up() {
	local status=$? pid
	trap - EXIT
	for pid in $alpha_pid $beta_pid $broker_pid; do
		kill "$pid" 2>/dev/null || true
	done
	[ -z "$broker_pid" ] || wait "$broker_pid" 2>/dev/null || true
	if [ $status -ne 0 ]; then
		echo
		echo "The demo failed (status $status). The broker's log:"
		cat "$stage/broker.log" 2>/dev/null || true
	fi
	if [ "$keep" = yes ]; then
		echo "kept: $stage"
	else
		rm -rf "$stage"
	fi
	exit $status
}
trap clean_up EXIT
trap 'exit 130' INT TERM

step=0
say() { # WHO WHAT…
	step=$((step + 1))
	printf '%2d  %-7s %s\n' "$step" "$1" "$2"
}
detail() { printf '      %-7s | %s\n' "$1" "$2"; }
fail() {
	echo "    !! $*" >&2
	exit 1
}

mkdir "$stage/run" "$stage/bin"
# The tenants' own copies: other users may not be able to reach the build directory.
cp "$build/bin/edu-dma" "$build/bin/ask" "$stage/bin/"
cp -P "$build"/lib/libiommubroker.so* "$stage/bin/" 2>/dev/null || true
export LD_LIBRARY_PATH="$stage/bin"

if [ "$(id -u)" -eq 0 ]; then
	# Two users that no passwd line names.
	alpha_match='uid: 64101' beta_match='uid: 64102'
	alpha_socket=broker.sock beta_socket=broker.sock
	as_alpha=(setpriv --reuid 64101 --regid 64101 --clear-groups --)
	as_beta=(setpriv --reuid 64102 --regid 64102 --clear-groups --)
	who='users 64101 and 64102'
else
	alpha_match='socket: alpha' beta_match='socket: beta'
	alpha_socket=alpha.sock beta_socket=beta.sock
	as_alpha=() as_beta=()
	who='the sockets alpha.sock and beta.sock (as root they would be two users)'
fi
{
	echo "# Who may do what. Two tenants: $who."
	echo "version: 1"
	echo "host:"
	echo "  locked_memory: 128MiB   # what DMA may pin, all tenants together"
	echo "sockets:"
	if [ $alpha_socket = $beta_socket ]; then
		echo "  - { name: main, path: broker.sock, mode: \"0666\" }"
	else
		echo "  - { name: alpha, path: alpha.sock }"
		echo "  - { name: beta, path: beta.sock }"
	fi
	cat <<POLICY
tenants:
  - name: alpha
    match: { $alpha_match }
    devices:
      - name: edu0
      - name: edu1
    limits:
      locked_memory: 64MiB
  - name: beta
    match: { $beta_match }
    devices:
      - name: edu0
    limits:
      locked_memory: 10MiB
POLICY
} >"$stage/policy.yaml"

# ---- the play -----------------------------------------------------------------------------------
echo
echo "The policy ($stage/policy.yaml):"
sed 's/^/      /' "$stage/policy.yaml"
echo

mkfifo "$stage/ready"
"$build/bin/iommu-brokerd" --policy "$stage/policy.yaml" --run-dir "$stage/run" --backend model \
	--ready-fd 9 9>"$stage/ready" 2>"$stage/broker.log" &
broker_pid=$!
read -r _ <"$stage/ready" || fail "the broker did not start"
say broker "serves two tenants, $who"

# alpha does the main job, then holds its device until it is killed. Its lines come through a pipe; "holding" is the last.
mkfifo "$stage/alpha.out" "$stage/alpha.in"
"${as_alpha[@]}" "$stage/bin/edu-dma" --socket "$stage/run/$alpha_socket" --device edu0 --bytes 8388608 --blocks 16 \
	--fault --hold <"$stage/alpha.in" >"$stage/alpha.out" 2>&1 &
alpha_pid=$!
exec 7>"$stage/alpha.in"
say alpha "gives 8 MiB of its memory to DMA, borrows edu0, moves 16 blocks memory -> device -> memory"
held=no
while read -r line; do
	[ "$line" = holding ] && { held=yes; break; }
	detail alpha "$line"
done <"$stage/alpha.out"
[ $held = yes ] || fail "alpha did not finish its DMA"
# The session reports the fault through the supervisor, which is another process: it comes when it comes.
for ((try = 0; try < 1000; try++)); do
	grep -q 'DMA fault at' "$stage/broker.log" && break
	sleep 0.01
done
fault=$(grep -o 'DMA fault at[^"]*' "$stage/broker.log" | head -n 1)
[ -n "$fault" ] || fail "the broker did not report the fault"
say broker "reports alpha's stray DMA: $fault"

# beta asks, and is answered line by line.
mkfifo "$stage/beta.in" "$stage/beta.out"
"${as_beta[@]}" "$stage/bin/ask" --socket "$stage/run/$beta_socket" <"$stage/beta.in" >"$stage/beta.out" 2>&1 &
beta_pid=$!
exec 8>"$stage/beta.in" 6<"$stage/beta.out"
beta_asks() { # COMMAND PATTERN
	local answer
	echo "$1" >&8
	read -r answer <&6 || fail "beta is gone"
	detail beta "$1 -> $answer"
	[[ $answer =~ $2 ]] || fail "beta expected: $2"
}
say beta "asks for alpha's device: refused, it is in use"
beta_asks 'open edu0' '^refused: EBUSY'
say beta "asks for a device that the policy does not give it: refused, and told by which rule"
beta_asks 'open edu1' '^refused: EPERM.*rule: .*beta'
say beta "asks for 16 MiB where its limit is 10: refused, and told what it has, used and asked for"
beta_asks 'map 16777216' '^refused: EDQUOT.*limit 10485760, used 0, asked 16777216'
say beta "lives on: what is within its limit it gets"
beta_asks 'map 1048576' '^ok: '

say alpha "is killed with SIGKILL, its device attached and its memory mapped"
alpha_killed=$alpha_pid
kill -KILL "$alpha_pid"
alpha_pid=''
wait "$alpha_killed" 2>/dev/null || true

say beta "gets edu0 as soon as the broker has cut it off from alpha's memory and reset it"
for ((try = 0; ; try++)); do
	echo 'open edu0' >&8
	read -r answer <&6 || fail "beta is gone"
	case $answer in
	ok:*) break ;;
	*EBUSY* | *EAGAIN*) [ $try -lt 3000 ] || fail "edu0 did not come back: $answer" ;;
	*) fail "$answer" ;;
	esac
	sleep 0.01
done
detail beta "open edu0 -> $answer"
exec 8>&-
wait "$beta_pid" || fail "beta ended with an error"
beta_pid=''

say beta "does the same job on it; first it looks whether alpha left anything in the device"
"${as_beta[@]}" "$stage/bin/edu-dma" --socket "$stage/run/$beta_socket" --device edu0 --bytes 8388608 --blocks 16 \
	--expect-clean --wait >"$stage/beta.log" 2>&1 || { cat "$stage/beta.log"; fail "beta could not use edu0"; }
while read -r line; do detail beta "$line"; done <"$stage/beta.log"

kill "$broker_pid"
wait "$broker_pid" || fail "the broker ended with an error"
broker_pid=''
say broker "ended with status 0: no session and no helper is left. Every step did what it says."
