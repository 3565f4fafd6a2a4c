# SPDX-License-Identifier: MIT
# about: the guest has an iommufd, an IOMMU, and the devices that the cases name
. /cases/lib.sh
[ -c /dev/iommu ] || fail "no /dev/iommu"
for device in $edu_root $edu_multi0 $edu_multi1 $edu_port1 $edu_port2 $e1000e; do
	node=$(bind "$device")
	[ -c "/dev/vfio/devices/$node" ] || fail "$device has no node $node"
	note "$device: $node, group $(basename "$(readlink /sys/bus/pci/devices/$device/iommu_group)")"
done
