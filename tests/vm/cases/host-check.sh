# SPDX-License-Identifier: MIT
# about: `iommu-brokerctl host check` on a real kernel: an open node, the shipped udev rules' effect, unsafe switches
. /cases/lib.sh
as_user() { /usr/bin/setpriv --reuid 1000 --regid 1000 --clear-groups "$@"; } # not busybox' own
check() { iommu-brokerctl host check >/tmp/check || true; }
line() { # LEVEL TOPIC PATTERN
	grep -qE "^$1 +$2 +.*$3" /tmp/check || { cat /tmp/check; fail "no line: $1 $2 $3"; }
}
for device in $edu_root $edu_multi0 $edu_multi1 $edu_port1 $e1000e; do bind "$device" >/dev/null; done
note "by default /dev/iommu is $(stat -c %a /dev/iommu), /dev/vfio/vfio is $(stat -c %a /dev/vfio/vfio)"
chmod 660 /dev/iommu # what the kernel makes of them, whatever a case before this one did
chmod 666 /dev/vfio/vfio

check
line OK kernel "has iommufd"
line OK kernel "IOMMU_IOAS_MAP_FILE"
line OK vfio "makes device nodes"
line OK iommu "dmar0"
line OK interrupts "are remapped"
line OK noiommu ""
line FIX nodes "/dev/vfio/vfio is open to others .mode 0666"
line FIX nodes "/dev/iommu is open to others .mode 0660"
line OK cgroup "memory and pids"
line OK sandbox "Landlock, ABI"
line OK sandbox "SO_PEERPIDFD"
line WARN device "$edu_root .1234:11e8. is vfio[0-9]+, group [0-9]+, and cannot be reset"
line WARN device "$edu_multi0 .*shares group [0-9]+ with 1 more"
line OK device "$edu_port1 .*resets by bus"
line OK device "$e1000e .*resets by"
if iommu-brokerctl host check >/dev/null; then fail "an open node, and exit status 0"; fi
as_user iommu-brokerctl host check >/tmp/check || true
line WARN kernel "/dev/iommu does not open for you: run this as root"

# There is no udev in this guest: what its rules would do is read from them by effect.awk, and done.
for sys in /sys/class/misc/iommu /sys/class/misc/vfio /sys/class/vfio/* /sys/class/vfio-dev/*; do
	[ -e "$sys" ] || continue
	effect=$(awk -v subsystem="$(basename "$(readlink -f "$sys/subsystem")")" -v kernel="$(basename "$sys")" \
		-f /broker/deploy/udev/effect.awk /broker/deploy/udev/60-iommu-broker.rules)
	[ "$effect" = "0600 root root" ] || fail "the rules leave $sys open: $effect"
	node=/dev/$(sed -n 's/^DEVNAME=//p' "$sys/uevent")
	[ -c "$node" ] || fail "$sys: no node $node"
	chown root:root "$node"
	chmod 0600 "$node"
	note "rules applied: $node $effect"
done
check
line OK nodes "/dev/iommu is root's alone"
line OK nodes "/dev/vfio/vfio is root's alone"
line OK nodes "/dev/vfio/GROUP .* root's alone"
line OK nodes "/dev/vfio/devices/[*] .* root's alone"
grep -q ^FIX /tmp/check && { cat /tmp/check; fail "something is still to be mended"; }
iommu-brokerctl host check >/dev/null || fail "nothing to mend, and yet exit status $?"
sed 's/^/  /' /tmp/check
as_user sh -c 'exec 3<>/dev/vfio/vfio' 2>/dev/null && fail "uid 1000 opens /dev/vfio/vfio"

unsafe=/sys/module/iommufd/parameters/allow_unsafe_interrupts
echo Y >$unsafe
check
echo N >$unsafe
line FIX interrupts "iommufd.allow_unsafe_interrupts is set"
noiommu=/sys/module/vfio/parameters/enable_unsafe_noiommu_mode
echo Y >$noiommu
check
echo N >$noiommu
line FIX noiommu "no IOMMU holds back"
iommu-brokerctl host check --json | grep -q '"level": "OK", "topic": "iommu"' || fail "no JSON"
