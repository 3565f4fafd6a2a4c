# SPDX-License-Identifier: MIT
# about: nodes that others than the broker can open are refused at start, each by name with what to do
. /cases/lib.sh
. /cases/refused.sh
node=/dev/vfio/devices/$(bind "$edu_port1")
group=/dev/vfio/$(basename "$(readlink /sys/bus/pci/devices/$edu_port1/iommu_group)")
close_nodes
accepted ''
for path in /dev/iommu /dev/vfio/vfio "$node" "$group"; do
	[ -e "$path" ] || { note "there is no $path here"; continue; }
	chmod 0660 "$path"
	refused "$path has mode 0660"
	accepted 'allow_open_nodes: yes'
	chmod 0600 "$path"
	chown 1000 "$path"
	refused "$path belongs to uid 1000"
	chown 0 "$path"
done
accepted ''
