#!/bin/bash
# SPDX-License-Identifier: MIT
# about: and the comparison finds deliberate mistakes
# Does uapi.sh see what it is there to see? Each mistake below is made in a copy of our header, and must be reported.
#
#   tests/vm/host/uapi-mistakes.sh HEADERS
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
header=$here/../../../include/iommufd_uapi.h
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
found=0
mistake() { # WHAT SED-SCRIPT EXPECTED
	sed -E "$2" "$header" >"$scratch/header.h"
	cmp -s "$header" "$scratch/header.h" && { echo "uapi: the mistake '$1' changed nothing"; exit 1; }
	"$here/uapi.sh" "$headers" "$scratch/header.h" >"$scratch/out" 2>&1 && { echo "uapi: did not see: $1"; exit 1; }
	grep -qE "$3" "$scratch/out" || { echo "uapi: did not name: $1"; cat "$scratch/out"; exit 1; }
	found=$((found + 1))
}
headers=$1
mistake 'a wider field' '/^struct iommu_destroy \{/,/^}/s/__u32 id;/__u64 id;/' 'kernel says: +field iommu_destroy.id 4 4'
mistake 'a signed field' '/^struct iommu_destroy \{/,/^}/s/__u32 id;/__s32 id;/' 'ours says: +field iommu_destroy.id 4 4 signed'
mistake 'two fields in the wrong order' '/^struct iommu_ioas_copy \{/,/^}/{s/dst_ioas_id/x_id/;s/src_ioas_id/dst_ioas_id/;s/x_id/src_ioas_id/}' 'iommu_ioas_copy.src_ioas_id'
mistake 'a field that is not there' '/^struct iommu_destroy \{/,/^}/s/__u32 id;//' 'kernel says: +field iommu_destroy.id'
mistake 'a struct that is not there' 's/^struct iommu_fault_alloc \{/struct iommu_x \{/' 'kernel says: +struct iommu_fault_alloc'
mistake 'a wrong value of an enumerator' 's/IOMMU_OPTION_OP_GET = 1/IOMMU_OPTION_OP_GET = 2/' 'kernel says: +constant IOMMU_OPTION_OP_GET 1'
mistake 'a wrong command' 's/^#define IOMMU_DESTROY .*/#define IOMMU_DESTROY 7/' 'kernel says: +constant IOMMU_DESTROY'
mistake 'a field of VFIO' '/^struct vfio_device_attach_iommufd_pt \{/,/^}/s/__u32 pasid;/__u64 pasid;/' 'vfio_device_attach_iommufd_pt.pasid'
echo "uapi: each of $found deliberate mistakes was found"
