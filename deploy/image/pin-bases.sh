#!/usr/bin/env bash
# Adds to each image that the Dockerfile and compose.yaml start from the digest that its tag has now, or renews it.
# Needs Docker with buildx. Dependabot renews tags with their digests from then on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
images=$(sed -nE 's/^FROM (--platform=\S+ )?([a-z./0-9-]+:[^@ ]+).*/\2/p; s/^ +image: ([a-z./0-9-]+:[^@ ]+).*/\1/p' Dockerfile compose.yaml)
for image in $(sort -u <<<"$images"); do
  # Of the index of all processors, not of one processor's image.
  digest=$(docker buildx imagetools inspect --format '{{.Manifest.Digest}}' "$image")
  [[ "$digest" =~ ^sha256:[0-9a-f]{64}$ ]] || { echo "no digest for $image: $digest" >&2; exit 1; }
  sed -i -E "s|(^FROM .*\|^FROM \|^ +image: )(${image//./\\.})(@sha256:[0-9a-f]+)?|\1\2@$digest|" Dockerfile compose.yaml
  echo "$image@$digest"
done
