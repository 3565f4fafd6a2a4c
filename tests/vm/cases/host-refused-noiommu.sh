# SPDX-License-Identifier: MIT
# about: a device without an IOMMU is refused at start
# kernel: intel_iommu=off
. /cases/lib.sh
. /cases/refused.sh
echo Y >/sys/module/vfio/parameters/enable_unsafe_noiommu_mode
note "its node: $(bind "$edu_port1")"
close_nodes
ls /dev/vfio /dev/vfio/devices
refused 'is without an IOMMU'
accepted 'allow_noiommu: yes'
