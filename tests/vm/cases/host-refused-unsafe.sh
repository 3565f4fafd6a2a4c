# SPDX-License-Identifier: MIT
# about: a host where devices may forge interrupts is refused at start, unless the policy says otherwise
# kernel: iommufd.allow_unsafe_interrupts=1
. /cases/lib.sh
. /cases/refused.sh
close_nodes
refused 'iommufd.allow_unsafe_interrupts is set'
accepted 'allow_unsafe_interrupts: yes'
