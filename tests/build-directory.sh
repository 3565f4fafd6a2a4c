# SPDX-License-Identifier: MIT
# Sourced by the scripts. build_directory PRESET prints where this user builds that preset.
#
#   $IOMMUB_BUILD_DIR/PRESET        if that is set
#   build/PRESET                    if this user made it, or can make it
#   ${XDG_CACHE_HOME:-~/.cache}/iommu-broker/PRESET-…   else: somebody else's tree, or somebody else's build in it
#
# A build belongs to who made it: root never leaves files of its own in a user's build directory, nor the reverse.
build_directory() {
	local preset=$1 root cache parent
	root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
	if [ -n "${IOMMUB_BUILD_DIR:-}" ]; then
		mkdir -p "$IOMMUB_BUILD_DIR"
		(cd "$IOMMUB_BUILD_DIR" && printf '%s/%s\n' "$PWD" "$preset")
		return
	fi
	parent=$root/build
	[ -d "$parent" ] || parent=$root
	if [ -O "$root/build/$preset" ] || { [ ! -e "$root/build/$preset" ] && [ -w "$parent" ]; }; then
		printf '%s\n' "$root/build/$preset"
		return
	fi
	cache=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}
	if ! mkdir -p "$cache/iommu-broker" 2>/dev/null; then
		echo "no place to build in: set IOMMUB_BUILD_DIR to a directory of your own" >&2
		return 1
	fi
	printf '%s/iommu-broker/%s-%s\n' "$cache" "$preset" "$(printf %s "$root" | cksum | cut -d' ' -f1)"
}
