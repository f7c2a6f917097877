#!/bin/sh
# What `make test` needs besides Go. As root on Debian it installs what is
# missing; elsewhere it says what will be skipped. With CI=true it fails instead,
# and so do the tests that cannot run. BIN is the folder of the program cluster.
set -eu

# program=package; what a node needs is known to test/cluster.
needs='gcc=gcc /usr/include/stdio.h=libc6-dev buildah=buildah logrotate=logrotate unshare=util-linux mke2fs=e2fsprogs
javac=openjdk-17-jdk-headless mvn=maven'

missing=
for need in $needs; do
	command -v "${need%=*}" >/dev/null || [ -e "${need%=*}" ] || missing="$missing ${need#*=}"
done
if [ "$(id -u)" != 0 ]; then
	echo "not root: the tests that run a node or build images are skipped${missing:+; not installed:$missing}"
	[ "${CI:-}" != true ]
	exit
fi
if [ -n "$missing" ] && command -v apt-get >/dev/null; then
	echo "installing$missing"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing >/dev/null
elif [ -n "$missing" ]; then
	echo "not installed:$missing"
	[ "${CI:-}" != true ]
fi

# That a node starts is the proof that one can, and installs what it needs.
name=make-test-$$
"$BIN/cluster" up --install --name "$name" || [ "${CI:-}" != true ]
"$BIN/cluster" down --name "$name"
