# SPDX-License-Identifier: MIT
# about: both sweeps against a client that attaches and rings, inside a large MAP: DMA ends, and stays ended
. /cases/lib.sh
bind "$edu_port1" >/dev/null
for attack in force force-pasid0 unmap-alone; do
	note "-- $attack"
	# Once more where the MAP was over before anything could be seen: how long it takes is the machine's affair.
	for try in 1 2 3 4 5 6; do
		status=0
		vm-helper-tasks /broker/iommu-broker-helper $attack "$edu_port1" || status=$?
		[ $status = 2 ] || break
	done
	[ $status = 0 ] || fail "$attack ended with status $status"
	vm-helper-tasks /broker/iommu-broker-helper probe "$edu_port1"
	vm-helper-tasks /broker/iommu-broker-helper reset "$edu_port1"
done
