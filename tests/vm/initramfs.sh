#!/bin/bash
# SPDX-License-Identifier: MIT
# Pack what the guest runs into an initramfs.
#
#   tests/vm/initramfs.sh [--systemd] BUILD-DIRECTORY OUTPUT
#
# busybox, our programs with the libraries that they need, the cases. --systemd: also this machine's systemd, and the broker
# as `cmake --install` leaves it. Everything lies in memory in the guest: the shared
# folder over 9p is slow.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
systemd=
[ "$1" != --systemd ] || { systemd=yes; shift; }
build=$1 output=$2
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
chmod 755 "$tree" # mktemp makes 700, and no unprivileged uid would reach any path in the guest

mkdir -p "$tree"/{bin,sbin,dev,proc,sys,run,tmp,root,etc,lib,lib64,usr/bin,usr/sbin,broker,cases,policies}
chmod 1777 "$tree/tmp"
busybox=$(command -v busybox)
cp "$busybox" "$tree/bin/busybox"
"$busybox" --list | while read -r applet; do [ "$applet" = busybox ] || ln -sf busybox "$tree/bin/$applet"; done

# Programs, and the libraries that the loader would look for.
add_program() {
	local program=$1 folder=$2 library to
	cp "$program" "$tree/$folder/"
	{ ldd "$program" 2>/dev/null || true; } | grep -oE '/[^ ]+' | while read -r library; do
		case $library in
		/lib/* | /lib64/* | /usr/lib/*) to=$library ;;
		*) to=/usr/lib/$(basename "$library") ;; # of the build tree, which may lie where the guest mounts something
		esac
		[ -e "$tree$to" ] || { mkdir -p "$tree$(dirname "$to")"; cp -L "$library" "$tree$to"; }
	done
}
for program in "$build"/bin/*; do add_program "$program" broker; done
if [ -d "$build/vm" ]; then
	for program in "$build"/vm/*; do [ -f "$program" ] && [ -x "$program" ] && add_program "$program" broker; done
fi
add_program "$(command -v setpriv)" usr/bin
add_program "$(command -v prlimit)" usr/bin
# What an administrator would have installed or read.
cp -r "$root/deploy" "$root/README.md" "$tree/broker/"

cp "$here/guest/init" "$tree/init"
cp "$here"/guest/lib.sh "$here"/guest/refused.sh "$tree/cases/"
cp "$here"/cases/*.sh "$tree/cases/"
chmod 755 "$tree/init"
cat >"$tree/etc/passwd" <<-EOF
	root:x:0:0:root:/root:/bin/sh
	nobody:x:65534:65534:nobody:/:/bin/false
EOF
printf 'root:x:0:\nnogroup:x:65534:\n' >"$tree/etc/group"
# A machine that is installed: systemd with the targets that every service hangs on, what makes users, and the broker.
add_systemd() {
	local unit program
	mkdir -p "$tree"/{lib/systemd/system,etc/default,etc/systemd/system,var/log,var/lib,usr/lib,home,root}
	mkdir -p "$tree/lib/systemd"
	add_program /lib/systemd/systemd lib/systemd
	for program in systemctl systemd-sysusers systemd-tmpfiles useradd; do
		rm -f "$tree/bin/$program"
		add_program "$(command -v $program)" usr/bin
	done
	for unit in sysinit basic multi-user shutdown sockets paths timers slices umount local-fs final swap; do
		cp "/lib/systemd/system/$unit.target" "$tree/lib/systemd/system/"
	done
	cp /etc/login.defs "$tree/etc/"
	cp /etc/nsswitch.conf "$tree/etc/" 2>/dev/null || true
	cp "$here/guest/cases.service" "$tree/lib/systemd/system/"
	printf "[Unit]\nDescription=Cases\nAllowIsolate=yes\nWants=cases.service\n" >"$tree/lib/systemd/system/default.target"
	DESTDIR=$tree cmake --install "$build" >/dev/null
	for program in sbin/iommu-brokerd libexec/iommu-broker/iommu-broker-session libexec/iommu-broker/iommu-broker-helper; do
		add_program "$tree/usr/local/$program" "usr/local/$(dirname "$program")" 2>/dev/null || true
	done
}
[ -z "$systemd" ] || add_systemd
chmod -R go+rX "$tree"
(cd "$tree" && find . -print0 | cpio --quiet --null --create --format=newc --owner=0:0) | zstd -q -1 -f -o "$output"
