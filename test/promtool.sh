#!/bin/sh
# Prints where promtool is, which checks rules for Prometheus: the one in PATH, or
# that of Debian's package prometheus. The package is not installed, since it
# would start a server; promtool is taken out of it, into the cache.
set -eu

if command -v promtool; then
	exit
fi
folder=${TACO_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/logging.taco}/promtool-debian
if [ ! -x "$folder/promtool" ]; then
	for need in apt-get dpkg-deb; do
		command -v $need >/dev/null || { echo "there is no promtool, and no $need to get it with: install Prometheus' promtool into PATH" >&2; exit 1; }
	done
	mkdir -p "$folder"
	scratch=$(mktemp -d "$folder/XXXXXX")
	trap 'rm -rf "$scratch"' EXIT
	trap 'exit 130' INT TERM HUP
	cd "$scratch"
	# Root's apt would download as a user who may not write here.
	download='apt-get -qq -o APT::Sandbox::User=root download prometheus'
	$download >&2 || { apt-get -qq update >&2 && $download >&2; }
	dpkg-deb -x prometheus_*.deb .
	mv usr/bin/promtool "$folder/promtool"
fi
echo "$folder/promtool"
