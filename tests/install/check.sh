#!/bin/sh
# Installs into a directory of its own, then builds and runs programs against what is there: with pkg-config (shared and
# static, C and C++) and with CMake's find_package.   check.sh BUILD_DIRECTORY
set -eu
build=$1
here=$(cd "$(dirname "$0")" && pwd)
object=$here/../api/counter.bpf.o
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SKEP_ENGINE=user

cmake --install "$build" --prefix "$work/prefix" > "$work/log"
prefix=$work/prefix
for file in bin/skep lib/skep/skep-agent lib/skep/libskep-shim.so include/skep/skep.h include/skep/skep.hpp share/man/man1/skep.1 \
    share/bash-completion/completions/skep; do
  [ -s "$prefix/$file" ] || { echo "not installed: $file"; exit 1; }
done
libraries=$(dirname "$(find "$prefix" -name libskep.so)")
PKG_CONFIG_PATH=$libraries/pkgconfig
export PKG_CONFIG_PATH

expect() {  # OUTPUT COMMAND…
  wanted=$1
  shift
  got=$("$@") || { echo "failed: $*"; exit 1; }
  [ "$got" = "$wanted" ] || { echo "$*: expected $wanted, found $got"; exit 1; }
}
cxx="${CXX:-c++} -std=c++23 $here/user.cpp"
cc="${CC:-cc} $here/user.c"
$cxx -o "$work/cxx-shared" $(pkg-config --cflags --libs skep) -Wl,-rpath,"$libraries"
$cc -o "$work/c-shared" $(pkg-config --cflags --libs skep) -Wl,-rpath,"$libraries"
expect "C++: 9" "$work/cxx-shared" "$object"
expect "C: 9" "$work/c-shared" "$object"
# libskep.a, and what it needs from this machine.
private=$(pkg-config --static --libs-only-l skep | sed "s,-lskep,$libraries/libskep.a,")
$cxx -o "$work/cxx-static" $(pkg-config --cflags skep) $private
$cc -o "$work/c-static" $(pkg-config --cflags skep) $private
if ldd "$work/c-static" | grep -q libskep; then echo "the static program needs libskep.so"; exit 1; fi
SKEP_AGENT=$prefix/lib/skep/skep-agent  # the tree is not where it was configured to be
export SKEP_AGENT
expect "C++: 9" "$work/cxx-static" "$object"
expect "C: 9" "$work/c-static" "$object"

cmake -S "$here" -B "$work/cmake" -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_BUILD_TYPE=Release > "$work/log"
cmake --build "$work/cmake" > "$work/log"
expect "C++: 9" env LD_LIBRARY_PATH="$libraries" "$work/cmake/shared" "$object"
expect "C: 9" "$work/cmake/static" "$object"

unset SKEP_AGENT

# The installed skep finds its agent, and runs.
"$prefix/bin/skep" run "$here/../../examples/opensnoop.bpf.c" -- true > "$work/log"
[ -s "$work/log" ] || { echo "the installed skep saw nothing"; exit 1; }
echo "installed, built against and run"
