#!/bin/bash
# SPDX-License-Identifier: MIT
# Build the guest's kernel, or find the one that was built from the same inputs.
#
#   tests/vm/kernel.sh       prints one line: the directory that holds bzImage and headers/
#
# The source is Debian's newest linux-source package (6.13 or later: IOMMU_IOAS_MAP_FILE), from whichever suite has it.
# It is found through package lists of this script's own, below the cache directory, checked against Debian's keyring;
# the machine's own sources and lists stay as they are. Cached by a hash of the package's version and guest.config.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${IOMMUB_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/iommu-broker/vm}
suites=(bookworm-backports trixie-backports forky sid)
minimum=6.13
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

say() { echo "kernel: $*" >&2; }

# The machine's own mirror, asked with lists of our own.
mirror=$({ grep -rhsE '^(URIs:|deb )' /etc/apt/sources.list /etc/apt/sources.list.d/ || true; } |
	grep -oE '(https?|file|mirror\+[a-z]+):[^ ]*/debian/? ?' | head -n 1 | tr -d ' ')
[ -n "$mirror" ] || { say "no Debian mirror in the machine's sources"; exit 1; }
mkdir -p "$cache/apt/lists/partial" "$cache/apt/archives/partial"
chmod -R a+rX "$cache/apt"
for suite in "${suites[@]}"; do
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
done >"$cache/apt/sources.list"
apt=(-o Dir::Etc::sourcelist="$cache/apt/sources.list" -o Dir::Etc::sourceparts=-
	-o Dir::State::lists="$cache/apt/lists" -o Dir::Cache::archives="$cache/apt/archives"
	-o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User= -o Acquire::Languages=none)

newest_known() {
	apt-cache "${apt[@]}" search --names-only '^linux-source-[0-9]+\.[0-9]+$' | awk '{ print $1 }' |
		sed 's/^linux-source-//' | sort -V | tail -n 1
}
# Lists that are a week old are good enough: the kernel is a tool here, and its hash names it.
if [ -z "$(find "$cache/apt/lists" -maxdepth 1 -name '*Packages*' -mtime -7 2>/dev/null | head -n 1)" ]; then
	# A mirror need not have every suite: what counts is what can be found afterwards.
	apt-get "${apt[@]}" -qq update >"$cache/apt/update.log" 2>&1 || true
fi
series=$(newest_known)
if [ -z "$series" ] || [ "$(printf '%s\n%s\n' "$minimum" "$series" | sort -V | head -n 1)" != "$minimum" ]; then
	say "no linux-source of $minimum or later found (newest: ${series:-none}):"
	cat "$cache/apt/update.log" >&2 || true
	exit 1
fi
package=linux-source-$series
version=$(apt-cache "${apt[@]}" policy "$package" | awk '/Candidate:/ { print $2 }')
key=$(cat <(echo "$version") "$here/guest.config" <(gcc --version | head -n 1) | sha256sum | cut -c1-16)
built=$cache/kernel-$series-$key
if [ -s "$built/bzImage" ]; then
	say "$package $version, cached"
	echo "$built"
	exit 0
fi

say "$package $version: fetching and building (about ten minutes on two cores)"
work=$(mktemp -d "$cache/build.XXXXXX")
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get "${apt[@]}" -qq download "$package" && dpkg-deb -x "$package"_*.deb unpacked && rm -f ./*.deb)
mkdir "$work/source"
tar -C "$work/source" --strip-components=1 -xf "$work/unpacked/usr/src/$package.tar.xz"
rm -rf "$work/unpacked"
cd "$work/source"
make -s KCONFIG_ALLCONFIG="$here/guest.config" allnoconfig >"$work/build.log" 2>&1
# allnoconfig drops an option whose dependencies are missing without a word.
dropped=$(grep -E '^CONFIG_[A-Z0-9_]+=' "$here/guest.config" | grep -vxFf .config || true)
[ -z "$dropped" ] || { say "the kernel does not take these options any more:"; echo "$dropped" >&2; exit 1; }
make -s -j"$(nproc)" bzImage >>"$work/build.log" 2>&1 || { tail -n 40 "$work/build.log" >&2; exit 1; }
make -s headers >>"$work/build.log" 2>&1
mkdir "$work/done"
cp arch/x86/boot/bzImage .config "$work/done/"
cp -r usr/include "$work/done/headers"
echo "$package $version" >"$work/done/version"
rm -rf "$built"
mv "$work/done" "$built"
say "built in $SECONDS s"
echo "$built"
