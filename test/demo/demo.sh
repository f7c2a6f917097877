#!/usr/bin/env bash
# The main job on a real cluster: install logging.taco, start a pod that writes
# two log files, read both with kubectl logs; or, with ship, one whose log goes to
# Elasticsearch. Call it by `make demo`, `make demo-ship` and `make demo-down`,
# which build what is needed here.
#
#   test/demo/demo.sh up|ship|install|down
#
# The cluster is one of this machine's own (test/cluster), or with CLUSTER=current
# the one that kubectl's current context names: kind, minikube, k3d or any other.
# There, what the demo did not make it leaves alone; IMAGES_LOADED=1 says that the
# nodes have the images or can pull them.
set -euo pipefail
cd "$(dirname "$0")/../.."

: "${CLUSTER:=own}" "${IMAGES_LOADED:=}" "${BIN:=bin}"
: "${VERSION:?is set by make demo, which calls this}"
sidecar=logging.taco/sidecar:$VERSION
injector=logging.taco/injector:$VERSION
mark=logging-taco-demo # a ConfigMap: this demo has installed logging.taco here

say() { printf '\n==> %s\n' "$*"; }
die() { printf '\ndemo: %s\n' "$*" >&2; exit 1; }
show() { printf '\n$ %s\n' "$*"; "$@"; }

# within SECONDS WHAT COMMAND... tries a command until it succeeds.
within() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || die "$what: not yet after a long while; last try: $("$@" 2>&1 | tail -n 5)"
    sleep 0.3
  done
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'printf "\nStopped half-way. The same command goes on from here, make demo-down removes it all.\n" >&2; exit 130' INT TERM HUP

. test/demo/ship.sh

use_cluster() {
  case $CLUSTER in
  own)
    say 'A Kubernetes node on this machine (the first time it is built from source: some minutes)'
    "$BIN/cluster" up --install
    settings=$("$BIN/cluster" env)
    eval "$settings"
    export KUBECACHEDIR=$scratch/kubectl # rather than ~/.kube, of which nobody cleans up
    ;;
  current)
    context=$(kubectl config current-context) || die 'CLUSTER=current, but kubectl has no current context'
    say "The cluster of the context $context"
    kubectl version >/dev/null || die "the cluster of the context $context does not answer"
    ;;
  *) die "CLUSTER=$CLUSTER: leave it out, or set it to current" ;;
  esac
}

up() {
  use_cluster
  remove_pod counter
  install

  say 'A pod that writes two log files'
  show kubectl apply -f examples/counter.yaml
  show kubectl wait --for=condition=Ready --timeout=120s pod/counter
  within 60 'lines of both files' both_have_lines
  show kubectl logs counter -c taco-1-log
  show kubectl logs counter -c taco-2-log

  echo
  if [ "$CLUSTER" = own ]; then
    echo 'Try next: eval "$(bin/cluster env)"; kubectl apply -f examples/tomcat.yaml; kubectl logs -f deployment/tomcat -c taco-logs'
    echo 'Remove it all: make demo-down'
  else
    echo 'Try next: kubectl apply -f examples/tomcat.yaml; kubectl logs -f deployment/tomcat -c taco-logs'
    echo 'Remove it all: make demo-down CLUSTER=current'
  fi
}

install() {
  if [ "$CLUSTER" = current ] && installed && ! marked; then
    say 'logging.taco is installed here already, not by this demo: it is used as it is'
  else
    install_anew
  fi
  within 60 'the webhook adds the sidecars' webhook_answers
}

install_anew() {
  say 'Images of the sidecar and the injector'
  "$BIN/cluster" image --tag "$sidecar" --out "$scratch/sidecar.tar" "$BIN/sidecar"
  "$BIN/cluster" image --tag "$injector" --out "$scratch/injector.tar" "$BIN/injector"
  load_images

  say 'Install'
  local now before
  now=$(sha256sum <"$BIN/injector" | cut -d ' ' -f 1)
  before=$(kubectl get configmap -n default "$mark" --ignore-not-found -o 'jsonpath={.data.injector}')
  kubectl create configmap -n default "$mark" --from-literal=injector="$now" --dry-run=client -o yaml | kubectl apply -f - >/dev/null
  show kubectl apply -k manifests
  if [ -n "$before" ] && [ "$before" != "$now" ]; then # the same tag, another program
    show kubectl rollout restart -n logging-taco deployment/injector
  fi
  show kubectl rollout status -n logging-taco deployment/injector --timeout=120s
}

load_images() {
  local tars=("$scratch/sidecar.tar" "$scratch/injector.tar") tar
  if [ "$CLUSTER" = own ]; then
    "$BIN/cluster" load "${tars[@]}"
    return
  fi
  if [ -n "$IMAGES_LOADED" ]; then
    echo "IMAGES_LOADED is set: taken to be there"
    return
  fi
  for tar in "${tars[@]}"; do
    case $context in
    kind-*) show kind load image-archive "$tar" --name "${context#kind-}" ;;
    k3d-*) show k3d image import --cluster "${context#k3d-}" "$tar" ;;
    minikube) show minikube --profile "$context" image load "$tar" ;;
    *)
      mkdir -p bin/images
      cp "${tars[@]}" bin/images/
      die "how the nodes of the context $context get images is not known here. The images are
  bin/images/sidecar.tar   $sidecar
  bin/images/injector.tar  $injector
Load them into each node, for instance with: ctr -n k8s.io images import FILE
or push them to a registry and name it in manifests/install.yaml and in the
profile (its key image). Then: make demo CLUSTER=current IMAGES_LOADED=1"
      ;;
    esac
  done
}

installed() { [ -n "$(kubectl get namespace logging-taco --ignore-not-found -o name)" ]; }
marked() { [ -n "$(kubectl get configmap -n default "$mark" --ignore-not-found -o name)" ]; }

# The Service leads to the injector a moment after its pods are ready.
webhook_answers() {
  sed 's/^  name: counter$/&-dry-run/' examples/counter.yaml |
    kubectl create -f - --dry-run=server -o 'jsonpath={.spec.initContainers[*].name}' 2>&1 |
    grep taco-2-log
}

both_have_lines() {
  local c
  for c in taco-1-log taco-2-log; do
    [ "$(kubectl logs counter -c $c | wc -l)" -ge 3 ] || return 1
  done
}

# An earlier demo's pod goes; one of somebody else does not.
remove_pod() {
  local pod
  pod=$(kubectl get pod "$1" --ignore-not-found -o 'jsonpath={.metadata.name} {.metadata.annotations.logging\.taco/paths}')
  case $pod in
  '' | ' ') ;;
  "$1 ") die "there is a pod $1 already, which is not of this demo" ;;
  *) kubectl delete pod "$1" ;;
  esac
}

down() {
  if [ "$CLUSTER" = own ]; then
    end_ship
    "$BIN/cluster" down
    return
  fi
  context=$(kubectl config current-context) || die 'CLUSTER=current, but kubectl has no current context'
  remove_pod counter
  if marked; then
    show kubectl delete -k manifests --ignore-not-found
    kubectl delete configmap -n default "$mark"
    echo 'Only the images are left in the nodes.'
  fi
}

case ${1-} in
up) up ;;
ship) ship ;;
install) # all but the counter
  use_cluster
  install
  ;;
down) down ;;
*) die 'usage: test/demo/demo.sh up|ship|install|down' ;;
esac
