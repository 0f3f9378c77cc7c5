#!/usr/bin/env bash
# Builds the image, and runs it as a deployment does: without root, with a read-only root, no capabilities, seccomp
# and secrets as files. A user signs in, and it stops on SIGTERM. `npm run verify:image`, as root, on Debian.
#   --local-bases  for machines that reach no registry of images: the bases are made here, once
#                  (deploy/image/make-bases.sh)
#   --npmrc=FILE   settings of npm for the build, where packages come from a registry of your own; CA_FILE is its
#                  certificate. Neither is in the image.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# The Node of the tests.
export PATH="$PWD/node_modules/.bin:$PATH"
image=localhost/portico:verify
npmrc=/dev/null
revision=$(git rev-parse HEAD)
for option in "$@"; do
  case "$option" in
    --local-bases) local_bases=yes ;;
    --npmrc=*) npmrc="${option#*=}" ;;
    *) sed -n '2,8s/^# \?//p' "$0"; exit 64 ;;
  esac
done

missing=()
for program in buildah podman runc debootstrap; do command -v "$program" >/dev/null || missing+=("$program"); done
if [ ${#missing[@]} -gt 0 ]; then
  echo "Installing ${missing[*]} with apt-get."
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi
# runc, because crun does not start containers where both versions of cgroups are mounted.
podman() { command podman --runtime runc --cgroup-manager cgroupfs "$@"; }

work=$(mktemp -d)
container=portico-verify-$$
cleanup() {
  podman rm --force --time 1 "$container" >/dev/null 2>&1 || true
  [ -z "${demo:-}" ] || kill "$demo" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
now() { date +%s%3N; }
fail() { echo "FAILED: $1" >&2; podman logs "$container" 2>&1 | tail -20 >&2 || true; exit 1; }

pull=--pull-never
if [ "${local_bases:-}" != yes ]; then
  pull=--pull
elif ! podman image exists localhost/portico-bases; then
  deploy/image/make-bases.sh
fi
# Digests name bytes that bases made here do not have.
sed -E 's/^(FROM .*)@sha256:[0-9a-f]{64}/\1/' Dockerfile >"$work/Dockerfile"
ca_file="${CA_FILE:-/etc/ssl/certs/ca-certificates.crt}"
buildah bud --quiet --isolation chroot --format docker "$pull" --network host \
  --secret id=npmrc,src="$npmrc" --secret id=ca,src="$ca_file" \
  --build-arg VERSION="$(node -p 'require("./package.json").version')" \
  --build-arg REVISION="$revision" --build-arg CREATED="$(date --utc +%FT%TZ)" \
  --file "$work/Dockerfile" --target portico --tag "$image" . >"$work/build.log" 2>&1 || { tail -20 "$work/build.log"; exit 1; }

inspect() { podman image inspect --format "$1" "$image"; }
size=$(inspect '{{.Size}}')
echo "size            $((size / 1000000)) MB, $(podman save --quiet "$image" | gzip -1 | wc -c | awk '{ printf "%d", $1 / 1000000 }') MB compressed"
echo "user            $(inspect '{{.User}}')"
[[ "$(inspect '{{.User}}')" =~ ^[1-9][0-9]*: ]] || fail 'the user is not a number above 0'
[[ "$(inspect '{{index .Labels "org.opencontainers.image.revision"}}')" == "$revision" ]] || fail 'labels'

root=$(podman image mount "$image")
for absent in bin/sh usr/bin/sh bin/bash usr/bin/apt-get usr/local/bin/npm usr/local/lib/node_modules run/secrets; do
  [ ! -e "$root/$absent" ] || fail "the image has /$absent"
done
echo "packages        $(node deploy/sbom.ts --image "$root/app/node_modules")"
[ -z "$(find "$root" -type f -perm /6000)" ] || fail 'the image has setuid programs'
podman image unmount "$image" >/dev/null

# The demo's provider, page and API, as in compose.yaml; they make the secrets.
# Their ports are below those that the kernel gives away.
node demo/container.ts --port 23300 --portico 23380 --secrets "$work/secrets" >"$work/demo.log" &
demo=$!
for _ in $(seq 300); do grep -q http: "$work/demo.log" && break; sleep 0.1; done
grep -q http: "$work/demo.log" || fail 'the demo does not start'
chmod 755 "$work" "$work/secrets"

drain=5
started=$(now)
podman run --detach --name "$container" --network host --read-only --cap-drop ALL \
  --security-opt no-new-privileges --health-interval disable --memory 512m \
  --ulimit nofile="$(ulimit -Hn):$(ulimit -Hn)" --ulimit nproc=4096:4096 \
  --volume "$work/secrets:/secrets:ro" \
  --env PORT=23380 --env PUBLIC_URL=http://localhost:23300 --env SHUTDOWN_DRAIN="${drain}s" \
  --env OIDC_ISSUER=http://127.0.0.1:23301/oauth2/default --env OIDC_CLIENT_ID=portico-demo \
  --env BFF_SECRETS_FILE=/secrets/bff-secrets --env OIDC_CLIENT_SECRET_FILE=/secrets/client-secret \
  --env INTROSPECTION_CLIENTS_FILE=/secrets/introspection-clients \
  --env OIDC_SCOPES='openid profile email groups offline_access orders:read orders:write' \
  --env OPERATOR_PORT=23394 --env TRUST_PROXY=127.0.0.1 --env ALLOW_MEMORY_STORE=true "$image" >/dev/null 2>"$work/run.log" \
  || { cat "$work/run.log" >&2; fail 'it does not start'; }
until curl --silent --fail http://127.0.0.1:23380/readyz | grep '"provider":"ok"' >/dev/null; do
  [ $(($(now) - started)) -lt 30000 ] || fail 'not ready after 30 s'
  sleep 0.05
done
echo "ready after     $(($(now) - started)) ms"

pid=$(podman inspect --format '{{.State.Pid}}' "$container")
status() { awk -v name="$1:" '$1 == name { print $2 }' "/proc/$pid/status"; }
echo "process         user $(status Uid), capabilities $(status CapEff), no_new_privs $(status NoNewPrivs), seccomp $(status Seccomp)"
[ "$(status Uid)" = 65532 ] && [ "$(status CapEff)" = 0000000000000000 ] && [ "$(status NoNewPrivs)" = 1 ] \
  && [ "$(status Seccomp)" = 2 ] || fail 'the process has more rights than it needs'
[[ "$(awk '$5 == "/" { print $6 }' "/proc/$pid/mountinfo")" == ro,* ]] || fail 'the root is writable'
podman healthcheck run "$container" >/dev/null 2>&1 || fail 'the health check of the image fails'
echo "health check    passes"
node deploy/image/sign-in.ts http://localhost:23300 || fail 'no sign-in'
curl --silent http://127.0.0.1:23394/metrics | grep '^portico_logins_total{.*outcome="succeeded".*} 1$' >/dev/null || fail 'no metrics'
echo "metrics         count the sign-in"
echo "memory          $(awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/$pid/status") MB"

stopped=$(now)
podman kill --signal TERM "$container" >/dev/null
sleep 0.5
[ "$(curl --silent --output /dev/null --write-out '%{http_code}' http://127.0.0.1:23380/readyz)" = 503 ] || fail 'ready while it drains'
[ "$(curl --silent --output /dev/null --write-out '%{http_code}' http://127.0.0.1:23380/livez)" = 200 ] || fail 'does not serve while it drains'
code=$(podman wait "$container")
took=$(($(now) - stopped))
echo "stopped after   $took ms, with exit code $code (SHUTDOWN_DRAIN: ${drain}000)"
[ "$code" = 0 ] && [ "$took" -lt $(((drain + 20) * 1000)) ] || fail 'it does not stop in time'
echo "All good."
