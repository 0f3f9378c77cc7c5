#!/usr/bin/env bash
# Checks the unit with systemd's own tools, on a copy whose programs and files are there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed "s#/usr/bin/node#$(command -v node)#; s#^WorkingDirectory=.*#WorkingDirectory=/#" portico.service >"$work/portico.service"
systemd-analyze verify --recursive-errors=no "$work/portico.service"
# 0 is best. What it takes away most for is what a server needs: a network (0.8 of it).
systemd-analyze security --offline=true --threshold=15 "$work/portico.service" | tail -1
