#!/usr/bin/env bash
# Makes the two base images of the Dockerfile from Debian's packages and the Node of node_modules, under their own
# names, in the image store of this machine: for machines that reach no container registry. What they hold is what
# the real ones hold (docs/releasing.md), but they are not the same bytes: never push an image that is built on them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
node_base=$(sed -nE 's/^FROM (--platform=\S+ )?(node:[^@ ]+).*/\2/p' Dockerfile | head -1)
runtime_base=$(sed -nE 's/^FROM (\S*distroless[^@ ]+).*/\1/p' Dockerfile)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The mirror that this machine uses itself.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Codename: bookworm' 'Component: main' 'Origin: Debian' | head -1)

commit() { # name, root folder, further settings
  local container
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$2" / >/dev/null
  buildah config "${@:3}" "$container"
  buildah commit --quiet --rm "$container" "$1" >/dev/null
}

# node:26-bookworm-slim is Debian's smallest system with Node, npm, and the libraries that Node needs.
debootstrap --variant=minbase --include=libatomic1,libstdc++6,ca-certificates bookworm "$work/node" "$mirror" \
  >"$work/debootstrap.log" || { tail -5 "$work/debootstrap.log" >&2; exit 1; }
rm -rf "$work"/node/var/cache/apt/* "$work"/node/var/lib/apt/lists/* "$work"/node/dev/*
rm -f "$work/node/etc/resolv.conf"
install -m 755 node_modules/node/bin/node "$work/node/usr/local/bin/node"
mkdir "$work/node/usr/local/lib/node_modules"
cp -r "$(dirname "$(readlink -f "$(command -v npm)")")/.." "$work/node/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$work/node/usr/local/bin/npm"
chroot "$work/node" useradd --uid 1000 --create-home node
commit "docker.io/library/$node_base" "$work/node" --env PATH=/usr/local/bin:/usr/bin:/bin

# distroless/cc is a few of Debian's packages, unpacked, with the user `nonroot`.
mkdir "$work/packages" "$work/runtime"
(cd "$work/packages" && apt-get download --quiet \
  base-files netbase tzdata ca-certificates libc6 libssl3 libgcc-s1 libgomp1 libstdc++6 >/dev/null)
for package in "$work"/packages/*.deb; do dpkg-deb --extract "$package" "$work/runtime"; done
printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' \
  >"$work/runtime/etc/passwd"
printf 'root:x:0:\nnonroot:x:65532:\n' >"$work/runtime/etc/group"
rm -rf "$work"/runtime/usr/share/{doc,man,locale,lintian,bash-completion}
mkdir -p "$work/runtime/home/nonroot" "$work/runtime/tmp"
chmod 1777 "$work/runtime/tmp"
commit "$runtime_base" "$work/runtime" --user 65532 --workingdir /home/nonroot
# Says that they are there.
podman tag "$runtime_base" localhost/portico-bases
