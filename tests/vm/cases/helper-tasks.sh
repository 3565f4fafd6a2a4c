# SPDX-License-Identifier: MIT
# about: each task of the helper on real devices: open, probe, reset, who holds a device
. /cases/lib.sh
for device in $edu_root $edu_port1 $e1000e; do
	bind "$device" >/dev/null
	for task in open probe reset; do vm-helper-tasks /broker/iommu-broker-helper $task "$device"; done
done
vm-helper-tasks /broker/iommu-broker-helper held "$edu_port1"
