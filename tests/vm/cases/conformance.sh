# SPDX-License-Identifier: MIT
# about: the suite that the model passes, asked of the kernel's own /dev/iommu
. /cases/lib.sh
export CONFORMANCE_NODES="$(bind $edu_root) $(bind $edu_port1) $(bind $edu_port2) $(bind $e1000e)"
export CONFORMANCE_GROUP="$(bind $edu_multi0) $(bind $edu_multi1)"
vm-conformance >/tmp/said 2>&1 || failed=yes
grep -vE 'RUN|  OK ' /tmp/said || true
[ -z "${failed:-}" ] || fail "the kernel answers otherwise than the model"
