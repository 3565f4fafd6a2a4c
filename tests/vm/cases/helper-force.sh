# SPDX-License-Identifier: MIT
# about: both sweeps against a client that attaches and rings, inside a large MAP: DMA ends, and stays ended
. /cases/lib.sh
bind "$edu_port1" >/dev/null
for attack in force force-pasid0 unmap-alone; do
	note "-- $attack"
	vm-helper-tasks /broker/iommu-broker-helper $attack "$edu_port1"
	vm-helper-tasks /broker/iommu-broker-helper probe "$edu_port1"
	vm-helper-tasks /broker/iommu-broker-helper reset "$edu_port1"
done
