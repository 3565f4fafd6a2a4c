#!/bin/bash
# SPDX-License-Identifier: MIT
# about: our uAPI header is the kernel's: every struct, field and constant, both ways
# Compare include/iommufd_uapi.h with the kernel's own <linux/iommufd.h>, and with what it has of <linux/vfio.h>.
#
#   tests/vm/host/uapi.sh HEADERS [OUR-HEADER]      HEADERS: the kernel's usr/include, as `make headers` fills it
#
# Both are compiled, and what the compiler made of them is compared: of each struct its size, of each field its offset,
# size and sign, of each constant (enumerator or macro) its value. In both directions: what the kernel has and ours lacks
# is as wrong as what differs. Nothing parses C; the facts are DWARF's (uapi-facts.awk) and the preprocessor's.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
headers=${1:?the directory of the kernel headers}
ours=${2:-$here/../../../include/iommufd_uapi.h}
[ -f "$headers/linux/iommufd.h" ] || { echo "uapi: no linux/iommufd.h in $headers"; exit 1; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cc=${CC:-gcc}

# facts NAME LINES COMPILER-ARGUMENT…: what a file of these lines declares, sorted, a line each.
facts() {
	local name=$1 lines=$2
	shift 2
	printf '%s\n' "$lines" >"$scratch/$name.c"
	"$cc" "$@" -g -gdwarf-4 -fno-eliminate-unused-debug-types -c -o "$scratch/$name.o" "$scratch/$name.c"
	{
		readelf --debug-dump=info "$scratch/$name.o" | awk -f "$here/uapi-facts.awk"
		# Macros with a body and without parameters. Without strings, the rest of these names are numbers.
		{
			printf '%s\n#include <stdio.h>\nint main(void)\n{\n' "$lines"
			"$cc" "$@" -E -dM "$scratch/$name.c" | awk '$2 ~ /^(IOMMU|VFIO)[A-Z0-9]*_[A-Z0-9_]+$/ && NF > 2 && $3 !~ /^"/ {
				printf "printf(\"constant %s %%lld\\n\", (long long)(%s));\n", $2, $2 }'
			echo 'return 0; }'
		} >"$scratch/$name-macros.c"
		"$cc" "$@" -w -o "$scratch/$name-macros" "$scratch/$name-macros.c"
		"$scratch/$name-macros"
	} | LC_ALL=C sort -u >"$scratch/$name"
	[ -s "$scratch/$name" ] || { echo "uapi: nothing was found in $name"; exit 1; }
}
base=$'#include <linux/types.h>\n#include <linux/ioctl.h>\n#include <linux/vfio.h>'
facts kernel "$base"$'\n#include <linux/iommufd.h>' -I "$headers"
facts kernel-rest "$base" -I "$headers"
facts ours "#include \"$ours\""
facts ours-rest "$base"

# The kernel's side of the comparison is all of iommufd.h and the three VFIO structs that go with it; ours is all that is
# not the host's (whose own versions of those three get out of the way under the name NAME_of_host).
vfio='(vfio_device_(bind|attach|detach)_iommufd|VFIO_DEVICE_(BIND|ATTACH|DETACH)_)'
own() { # ALL REST
	{ LC_ALL=C comm -23 "$1" "$2"; grep -E "$vfio" "$1"; } | grep -v _of_host | LC_ALL=C sort -u
}
own "$scratch/kernel" "$scratch/kernel-rest" >"$scratch/kernel-own"
own "$scratch/ours" "$scratch/ours-rest" >"$scratch/ours-own"
LC_ALL=C comm -23 "$scratch/kernel-own" "$scratch/ours-own" >"$scratch/lacks"
LC_ALL=C comm -13 "$scratch/kernel-own" "$scratch/ours-own" >"$scratch/differs"
failed=0
if [ -s "$scratch/lacks" ] || [ -s "$scratch/differs" ]; then
	failed=1
	sed 's/^/uapi: the kernel says: /' "$scratch/lacks"
	sed 's/^/uapi: ours says:       /' "$scratch/differs"
fi
count() { grep -c "^$1 " "$scratch/kernel-own" || true; }
for kind in struct field constant; do
	[ "$(count $kind)" -gt 0 ] || { echo "uapi: no $kind was compared"; failed=1; }
done
version=$(cat "$headers/../version" 2>/dev/null || echo "the kernel's headers")
echo "uapi: $(count struct) structs, $(count field) fields, $(count constant) constants compared with $version:" \
	"$([ $failed = 0 ] && echo all equal || echo "$(cat "$scratch/lacks" "$scratch/differs" | wc -l) lines differ")"
exit $failed
