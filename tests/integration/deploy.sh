#!/bin/bash
# SPDX-License-Identifier: MIT
# deploy.sh BUILD SOURCE: install into a directory, and let systemd's own tools judge what lies there.
# 77 (skipped) where there is no systemd-analyze.
set -uo pipefail
build=$1 source=$2
command -v systemd-analyze >/dev/null || { echo "no systemd-analyze here"; exit 77; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
failed=0
ok() { echo "ok: $*"; }
bad() {
	echo "FAILED: $*"
	failed=1
}
expect() { # WHAT COMMAND…
	local what=$1
	shift
	if "$@" >"$root/out" 2>&1; then ok "$what"; else bad "$what"; cat "$root/out"; fi
}

DESTDIR=$root cmake --install "$build" >"$root/install.log" 2>&1 || { cat "$root/install.log"; exit 1; }
installed() { # NAME: where the installation put it, below the root
	local path
	path=$(grep -oE "$root/[^ ]*/$1\$" "$root/install.log" | head -n 1)
	[ -n "$path" ] && [ -f "$path" ] && printf '%s\n' "${path#"$root"}" || { echo "/not-installed/$1"; return 1; }
}
unit=$(installed iommu-brokerd.service) || bad "no unit was installed"
policy=$(installed policy.yaml) || bad "no policy was installed"
rules=$(installed 60-iommu-broker.rules) || bad "no rules were installed"
sysusers=$(sed -n 's/^.* \(.*\/sysusers\.d\/.*\)$/\1/p' "$root/install.log" | head -n 1)
tmpfiles=$(sed -n 's/^.* \(.*\/tmpfiles\.d\/.*\)$/\1/p' "$root/install.log" | head -n 1)

# ---- the unit ------------------------------------------------------------------------------------------------------
mkdir -p "$root/lib/systemd"
cp -r /lib/systemd/system "$root/lib/systemd/" # the targets that every service hangs on
verify() { ! systemd-analyze verify --root="$root" iommu-brokerd.service 2>&1 | grep . && systemd-analyze verify --root="$root" iommu-brokerd.service; }
expect "systemd-analyze verify says nothing against the unit" verify
cp "$root$unit" "$root/unit"
echo "Delegatex=yes" >>"$root$unit"
verify >/dev/null && bad "verify takes an unknown key" || ok "it does name an unknown key"
cp "$root/unit" "$root$unit"

exposure() { systemd-analyze security --offline=true --no-pager --root="$root" iommu-brokerd.service 2>&1 |
	sed -n 's/.*Overall exposure level for .*: \([0-9.]*\) .*/\1/p'; }
within() { awk -v e="$1" 'BEGIN { exit !(e != "" && e + 0 <= 2.5) }'; }
level=$(exposure)
within "$level" && ok "exposure $level, at most 2.5" || bad "exposure '$level' is above 2.5"
grep -vE '^(SystemCallFilter|CapabilityBoundingSet|RestrictNamespaces)=' "$root/unit" >"$root$unit"
level=$(exposure)
[ -n "$level" ] && ! within "$level" && ok "loosened on purpose: $level, refused" || bad "a loosened unit passes: '$level'"
cp "$root/unit" "$root$unit"

# Its capabilities are those that the supervisor keeps, and CHOWN until it has its sockets.
kept=$(grep -oE '\{CAP_[A-Z_]+' "$source/broker/supervisor/caps.c" | tr -d '{' | sort -u)
given=$(sed -n 's/^CapabilityBoundingSet=//p' "$root/unit" | tr ' ' '\n' | sort -u)
diff <(printf '%s\nCAP_CHOWN\n' "$kept" | sort -u) <(echo "$given") &&
	ok "the unit's capabilities are the supervisor's: $(echo $given)" || bad "unit and caps.c differ in capabilities"
program=$(sed -n 's/^ExecStart=\([^ ]*\) .*/\1/p' "$root/unit")
[ -x "$root$program" ] && ok "$program is there" || bad "$program of ExecStart was not installed"
for word in $(sed -n 's/^ExecStart=[^ ]* //p' "$root/unit" | grep -oE -- '--[a-z-]+'); do
	grep -qe "$word " <<<"$("$root$program" --help)" || bad "$program has no option $word"
done

# ---- policy --------------------------------------------------------------------------------------------------------
expect "the installed policy is right" "$root$program" --check --policy "$root$policy" --run-dir "$root" --backend model \
	--libexec-dir "$build/bin"
echo "# mine" >>"$root$policy"
DESTDIR=$root cmake --install "$build" >"$root/out" 2>&1
grep -q '^# mine' "$root$policy" && ok "a second installation keeps the administrator's policy" || bad "the policy was overwritten"

# ---- users, directories, nodes -------------------------------------------------------------------------------------
mkdir -p "$root/etc" "$root/dev/vfio"
printf 'root:x:0:0:root:/root:/bin/sh\n' >"$root/etc/passwd"
printf 'root:x:0:\n' >"$root/etc/group"
touch "$root/dev/iommu" "$root/dev/vfio/vfio"
chmod 666 "$root/dev/iommu" "$root/dev/vfio/vfio"
systemd-sysusers --dry-run --root="$root" "$sysusers" >"$root/out" 2>&1 && grep -q "group 'iommu-broker'" "$root/out" &&
	ok "sysusers would make the group iommu-broker" || { bad "sysusers"; cat "$root/out"; }
if [ "$(id -u)" -eq 0 ]; then
	expect "tmpfiles takes its file" systemd-tmpfiles --create --root="$root" "$tmpfiles"
	[ "$(stat -c %a:%u "$root/run/iommu-broker/t" "$root/dev/iommu" "$root/dev/vfio/vfio" | xargs)" = "755:0 600:0 600:0" ] &&
		ok "it makes the directories and closes the nodes" || bad "directories or nodes: $(stat -c '%n %a:%u' "$root"/dev/iommu)"
fi
effect() { awk -v subsystem="$1" -v kernel="$2" -f "$source/deploy/udev/effect.awk" "$root$rules"; }
for device in "misc iommu" "misc vfio" "vfio 12" "vfio-dev vfio0"; do
	# shellcheck disable=SC2086
	[ "$(effect $device)" = "0600 root root" ] && ok "udev closes: $device" || bad "udev leaves open: $device ($(effect $device))"
done
for device in "misc kvm" "mem null" "net vfio"; do
	# shellcheck disable=SC2086
	[ -z "$(effect $device)" ] && ok "udev leaves alone: $device" || bad "udev touches: $device"
done
# From 254 on; Debian 12 has no such command.
if command -v udevadm >/dev/null && udevadm verify --help >/dev/null 2>&1; then
	expect "udevadm verify" udevadm verify "$root$rules"
fi
exit $failed
