#!/bin/bash
# SPDX-License-Identifier: MIT
# Pack what the guest runs into an initramfs.
#
#   tests/vm/initramfs.sh BUILD-DIRECTORY OUTPUT [INSTALL-TREE]
#
# busybox, our programs with the libraries that they need, the cases. Everything lies in memory in the guest: the shared
# folder over 9p is slow.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
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
	local program=$1 to=$2 library
	cp "$program" "$tree/$to/"
	{ ldd "$program" 2>/dev/null || true; } | grep -oE '/[^ ]+' | while read -r library; do
		[ -e "$tree$library" ] || { mkdir -p "$tree$(dirname "$library")"; cp -L "$library" "$tree$library"; }
	done
}
for program in "$build"/bin/*; do add_program "$program" broker; done
if [ -d "$build/vm" ]; then
	for program in "$build"/vm/*; do [ -f "$program" ] && [ -x "$program" ] && add_program "$program" broker; done
fi
add_program "$(command -v setpriv)" usr/bin
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
chmod -R go+rX "$tree"
(cd "$tree" && find . -print0 | cpio --quiet --null --create --format=newc --owner=0:0) | zstd -q -1 -f -o "$output"
