#!/bin/bash
# SPDX-License-Identifier: MIT
# Install the library into a scratch directory and build a program against it three ways: pkg-config, pkg-config with the
# static library, CMake's find_package. Each must run and say what an installed library says without a broker.
#
#   install-consume.sh BUILD-DIRECTORY [CC [SANITIZER-FLAGS…]]
set -euo pipefail
build=$1
cc=${2:-cc}
shift; shift || true
flags=("$@")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

cmake --install "$build" --component library --prefix "$scratch/root" >"$scratch/install.log" || {
	cat "$scratch/install.log"
	exit 1
}
cat >"$scratch/main.c" <<'PROGRAM'
#include <errno.h>
#include <stdio.h>
#include <iommubroker/iommubroker.h>
int main(void)
{
	struct iommub_connect_opts opts = {.size = sizeof(opts), .path = "/nonexistent/broker.sock"};
	struct iommub_conn *conn = NULL;
	int err = iommub_connect(&opts, &conn);
	iommub_disconnect(conn);
	printf("%d\n", err);
	return err == -ENOENT ? 0 : 1;
}
PROGRAM

check() { # HOW PROGRAM
	if ! "$2" >"$scratch/out" 2>&1; then
		echo "FAILED: $1: $(cat "$scratch/out")"
		exit 1
	fi
	echo "ok: $1"
}

pc=$(dirname "$(find "$scratch/root" -name iommubroker.pc)")
lib=$(dirname "$pc")
export PKG_CONFIG_PATH=$pc
# shellcheck disable=SC2046 # flags are words
"$cc" "${flags[@]}" -o "$scratch/shared" "$scratch/main.c" $(pkg-config --cflags --libs iommubroker) -Wl,-rpath,"$lib"
# Not by a pipe: grep -q leaves at the first match, ldd may die of SIGPIPE then, and pipefail would call that a failure.
grep -q "libiommubroker.so.0 => $scratch/root" <<<"$(ldd "$scratch/shared")" || {
	echo "FAILED: the program does not use the installed library by its soname"
	ldd "$scratch/shared"
	exit 1
}
check "pkg-config" "$scratch/shared"

# shellcheck disable=SC2046
"$cc" "${flags[@]}" -o "$scratch/static" "$scratch/main.c" $(pkg-config --cflags iommubroker) \
	"$lib/libiommubroker.a" $(pkg-config --libs libprotobuf-c)
check "static library" "$scratch/static"

mkdir "$scratch/consumer"
cat >"$scratch/consumer/CMakeLists.txt" <<'LISTS'
cmake_minimum_required(VERSION 3.25)
project(consumer C)
find_package(iommubroker 0.1 REQUIRED)
add_executable(shared ../main.c)
target_link_libraries(shared PRIVATE iommubroker::iommubroker)
add_executable(static ../main.c)
target_link_libraries(static PRIVATE iommubroker::iommubroker_static)
LISTS
{ cmake -G Ninja -S "$scratch/consumer" -B "$scratch/consumer/build" -DCMAKE_PREFIX_PATH="$scratch/root" \
	-DCMAKE_C_COMPILER="$cc" -DCMAKE_C_FLAGS="${flags[*]}" &&
	cmake --build "$scratch/consumer/build"; } >"$scratch/cmake.log" 2>&1 || {
	cat "$scratch/cmake.log"
	exit 1
}
check "find_package, shared" "$scratch/consumer/build/shared"
check "find_package, static" "$scratch/consumer/build/static"
