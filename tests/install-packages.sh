#!/bin/bash
# SPDX-License-Identifier: MIT
# Install what is missing of the Debian packages that building and testing need, and say what.
#
#   tests/install-packages.sh [--check] [--clang] [--vm] [--no-install]
#
#   --check       also what .ci/run reads the code with (clang-tidy, clang-format, cppcheck)
#   --clang       also the second compiler (preset `clang`)
#   --vm          also what tests/vm builds and boots its kernel with
#   --no-install  only look: fail and name what is missing
#
# Where everything is installed this touches nothing and needs no rights.
set -euo pipefail

# Why each is needed: CONTRIBUTING.md, "Dependencies".
packages=(
	gcc g++ libc6-dev cmake ninja-build pkg-config
	libevent-dev libprotobuf-c-dev protobuf-c-compiler libseccomp-dev libsystemd-dev
	libcap-ng-dev libyaml-dev libbsd-dev libcmocka-dev
	systemd
)
install=yes
for argument; do
	case $argument in
	--check) packages+=(clang-tidy clang-format cppcheck git) ;;
	--clang) packages+=(clang) ;;
	--vm) packages+=(bc flex bison libelf-dev libssl-dev xz-utils zstd cpio busybox-static qemu-system-x86 util-linux) ;;
	--no-install) install=no ;;
	*) echo "$0: unknown argument: $argument" >&2; exit 2 ;;
	esac
done

if ! command -v dpkg >/dev/null; then
	echo "This is not a Debian system: please install the like of: ${packages[*]}" >&2
	exit 0 # the build will say what it does not find
fi
missing=()
for package in "${packages[@]}"; do
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
	echo "packages: all ${#packages[@]} are installed"
	exit 0
fi
echo "packages: missing: ${missing[*]}"
if [ "$install" = no ]; then
	echo "packages: not installing (--no-install)" >&2
	exit 1
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "packages: only root can install them, and there is no sudo. As root: apt-get install ${missing[*]}" >&2
		exit 1
	fi
	as_root=(sudo)
fi
echo "packages: installing with ${as_root[*]:+${as_root[*]} }apt-get"
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300)
"${apt[@]}" update
"${apt[@]}" install -y --no-install-recommends "${missing[@]}"
