#!/bin/bash
# SPDX-License-Identifier: MIT
# Run the cases of tests/vm/cases on a real kernel with a real /dev/iommu, in QEMU without KVM; before them those of
# tests/vm/host, which need that kernel's headers only and run here.
#
#   tests/vm/run.sh [--list] [--shell] [--case NAME]... [--preset NAME]
#
#   --list     the cases, a line each          --case NAME  only this one (may be given again)
#   --shell    a prompt in the guest           --preset     which build to run (default dev)
#
# Prints a line a case and ends with "N passed, M failed"; the exit status says the same. The first run builds a kernel
# (kernel.sh; about ten minutes on two cores), later ones find it. A guest that dies without a word is started once more.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$root/tests/build-directory.sh"

preset=dev shell= wanted=()
while [ $# -gt 0 ]; do
	case $1 in
	--list)
		for file in "$here"/host/*.sh "$here"/cases/*.sh; do
			printf '%-28s %s\n' "$(basename "$file" .sh)" "$(sed -n 's/^# about: //p' "$file" | head -n 1)"
		done
		exit 0
		;;
	--shell) shell=yes ;;
	--case) wanted+=("${2:?--case needs a name}"); shift ;;
	--preset) preset=${2:?--preset needs a name}; shift ;;
	-h | --help) sed -n '3,12s/^# \{0,1\}//p' "$0"; exit 0 ;;
	*) echo "$0: unknown argument: $1 (try --help)" >&2; exit 2 ;;
	esac
	shift
done
[ ${#wanted[@]} -gt 0 ] || for file in "$here"/host/*.sh "$here"/cases/*.sh; do wanted+=("$(basename "$file" .sh)"); done
for name in "${wanted[@]}"; do
	[ -f "$here/cases/$name.sh" ] || [ -f "$here/host/$name.sh" ] || { echo "$0: no case $name (try --list)" >&2; exit 2; }
done

"$root/tests/install-packages.sh" --vm
kernel=$("$here/kernel.sh")
build=$(build_directory "$preset")
(cd "$root" && cmake --preset "$preset" -B "$build" >/dev/null && cmake --build "$build" >/dev/null) ||
	{ echo "the build failed: try ./test.sh"; echo "0 passed, 1 failed"; exit 1; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
"$here/initramfs.sh" "$build" "$scratch/initramfs"

# Everything that the cases need hangs on one machine. intel-iommu comes before every device that it translates for.
# no_timer_check: on a busy machine the emulated timer comes too late for the kernel's own check of it.
qemu() { # kernel-arguments
	qemu-system-x86_64 -M q35,kernel-irqchip=split -accel tcg,thread=multi,tb-size=256 -cpu max,la57=off -smp 2 -m 2G \
		-nodefaults -no-user-config -display none -no-reboot -monitor none -serial stdio \
		-device intel-iommu,intremap=on,caching-mode=on,aw-bits=48 \
		-device edu,addr=03.0 \
		-device edu,addr=05.0,multifunction=on -device edu,addr=05.1 \
		-device pcie-root-port,id=port1,chassis=1,addr=06.0 -device edu,bus=port1 \
		-device pcie-root-port,id=port2,chassis=2,addr=07.0 -device edu,bus=port2 \
		-device pcie-root-port,id=port3,chassis=3,addr=08.0 -device e1000e,bus=port3 \
		-kernel "$kernel/bzImage" -initrd "${initramfs:-$scratch/initramfs}" \
		-append "console=ttyS0 panic=-1 quiet no_timer_check $1"
}
if [ "$shell" ]; then
	qemu "iommub.shell"
	exit 0
fi

# A boot profile is what a case asks of the kernel's command line: "# kernel: ARGUMENTS".
profile_of() { sed -n 's/^# kernel: //p' "$here/cases/$1.sh" | head -n 1; }
list() { local IFS=,; echo "$*"; }

passed=0 failed=0 started=$SECONDS
run_profile() { # kernel-arguments case…
	local arguments=$1 try names initramfs=$scratch/initramfs
	shift
	names=("$@")
	case " $arguments " in *" iommub.systemd "*)
		initramfs=$scratch/initramfs-systemd
		[ -f "$initramfs" ] || "$here/initramfs.sh" --systemd "$build" "$initramfs"
		;;
	esac
	for try in 1 2; do
		timeout -k 5 "${IOMMUB_VM_TIMEOUT:-1200}" bash -c "$(declare -f qemu); kernel='$kernel' initramfs='$initramfs' qemu '$arguments iommub.cases=$(list "${names[@]}")'" \
			</dev/null 2>&1 | tr -d '\r' >"$scratch/console" || true
		grep -q '^@status' "$scratch/console" && break
		echo "the guest died without a word$([ $try = 1 ] && echo '; starting it once more'):"
		tail -n 25 "$scratch/console"
	done
	local name status seconds
	for name in "${names[@]}"; do
		read -r status seconds < <(awk -v n="$name" '$1 == "@end" && $2 == n { print $3, $4 }' "$scratch/console") || true
		if [ "${status:-}" = 0 ]; then
			passed=$((passed + 1))
			printf 'ok      %-28s %5.1f s  %s\n' "$name" "$seconds" "$(sed -n 's/^# about: //p' "$here/cases/$name.sh" | head -n 1)"
		else
			failed=$((failed + 1))
			printf 'FAILED  %-28s (status %s)\n' "$name" "${status:-none}"
		fi
		awk -v n="$name" '$1 == "@begin" { on = $2 == n } $1 == "@end" { on = 0 } on && sub(/^@log /, "        ")' "$scratch/console"
		status= seconds=
	done
}
run_on_host() { # case
	local name=$1 begin=$SECONDS verdict=ok
	"$here/host/$name.sh" "$kernel/headers" >"$scratch/console" 2>&1 || verdict=FAILED
	if [ $verdict = ok ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
	printf '%-7s %-28s %5.1f s  %s\n' $verdict "$name" $((SECONDS - begin)) "$(sed -n 's/^# about: //p' "$here/host/$name.sh" | head -n 1)"
	sed 's/^/        /' "$scratch/console"
}
declare -A profiles=()
for name in "${wanted[@]}"; do
	if [ -f "$here/host/$name.sh" ]; then
		run_on_host "$name"
		continue
	fi
	profiles["x$(profile_of "$name")"]+="$name "
done
for profile in "${!profiles[@]}"; do
	read -ra names <<<"${profiles[$profile]}"
	run_profile "${profile#x}" "${names[@]}"
done
echo "in $((SECONDS - started)) s"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
