# SPDX-License-Identifier: MIT
# about: README's installation, the very commands, under systemd: from driver binding to a new user's first DMA
# kernel: iommub.systemd
. /cases/lib.sh
# This guest has no udev: what `udevadm trigger` would do by our rules is read from them by effect.awk, and done.
udevadm() {
	[ "$1" = trigger ] || return 0
	for sys in /sys/class/misc/iommu /sys/class/misc/vfio /sys/class/vfio/* /sys/class/vfio-dev/*; do
		[ -e "$sys" ] || continue
		effect=$(awk -v subsystem="$(basename "$(readlink -f "$sys/subsystem")")" -v kernel="$(basename "$sys")" \
			-f /broker/deploy/udev/effect.awk /usr/local/lib/udev/rules.d/60-iommu-broker.rules)
		node=/dev/$(sed -n 's/^DEVNAME=//p' "$sys/uevent")
		chown "$(echo "$effect" | awk '{ print $2 ":" $3 }')" "$node"
		chmod "${effect%% *}" "$node"
	done
}
# util-linux' one, where busybox' own would be taken.
setpriv() { /usr/bin/setpriv "$@"; }

sed -n '/^<!-- install: begin -->$/,/^<!-- install: end -->$/p' /broker/README.md | sed '/^<!--/d; /^```/d' >/tmp/install
[ "$(grep -c . /tmp/install)" -gt 20 ] || fail "README has no installation"
DEVICE=$edu_port1 TENANT=newcomer
# udev hears of a new node by itself.
sed -i 's/^iommu-brokerctl host check$/udevadm trigger; &/' /tmp/install
. /tmp/install
