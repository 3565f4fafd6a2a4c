# SPDX-License-Identifier: MIT
# about: both sweeps against a client that attaches and rings, inside a large MAP: no DMA lands after they have begun
. /cases/lib.sh
bind "$edu_port1" >/dev/null
for round in 1 2 3; do
	note "-- $round"
	vm-helper-tasks /broker/iommu-broker-helper force "$edu_port1"
	vm-helper-tasks /broker/iommu-broker-helper probe "$edu_port1"
	vm-helper-tasks /broker/iommu-broker-helper reset "$edu_port1"
done
