# SPDX-License-Identifier: MIT
# What the cases share. Sourced; runs under `sh -eu` of busybox.

# The devices that run.sh plugs in.
edu_root=0000:00:03.0    # on the root bus: no reset at all
edu_multi0=0000:00:05.0  # two functions of one slot: one IOMMU group
edu_multi1=0000:00:05.1
edu_port1=$(basename "$(readlink -f /sys/bus/pci/devices/0000:00:06.0/0000:*:00.0 2>/dev/null || echo none)") # behind a root port: bus reset
edu_port2=$(basename "$(readlink -f /sys/bus/pci/devices/0000:00:07.0/0000:*:00.0 2>/dev/null || echo none)")
e1000e=$(basename "$(readlink -f /sys/bus/pci/devices/0000:00:08.0/0000:*:00.0 2>/dev/null || echo none)")

fail() { echo "FAILED: $*"; exit 1; }
note() { echo "$*"; }

# Bind a device to vfio-pci and print its node's name.
bind() {
	dev=/sys/bus/pci/devices/$1
	if [ "$(basename "$(readlink "$dev/driver" 2>/dev/null || echo none)")" != vfio-pci ]; then
		echo vfio-pci >"$dev/driver_override"
		[ -e "$dev/driver" ] && echo "$1" >"$dev/driver/unbind"
		echo "$1" >/sys/bus/pci/drivers_probe
	fi
	ls "$dev/vfio-dev"
}
