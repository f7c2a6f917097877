# Part of demo.sh: a pod whose log goes to Elasticsearch, a real node on this
# machine, and is found there; the pod is then deleted while it writes.

beside=/tmp/taco-demo-ship # of what runs beside the cluster: pids and last words
search='kubernetes.labels.app:orders'

ship() {
  [ "$CLUSTER" = own ] || die "make demo-ship brings an Elasticsearch of this machine, which pods of another cluster do not reach.
Name one of yours as an output in the profile (README, Install), and then: kubectl apply -f examples/ship.yaml"
  install_programs
  use_cluster
  remove_pod orders
  start_elasticsearch
  name_output
  install
  restart_injectors

  say 'A pod whose log is shipped'
  show kubectl apply -f examples/ship.yaml
  show kubectl wait --for=condition=Ready --timeout=120s pod/orders
  within 120 'lines are found in Elasticsearch' found 5

  say 'Found by its label'
  ask "_count?q=$search&filter_path=count"
  ask "_search?q=$search&size=1&sort=@timestamp:desc&filter_path=hits.hits._source"

  say 'The pod is deleted while it writes'
  show kubectl delete pod orders
  ask "_search?q=$search&size=2&sort=@timestamp:desc&filter_path=hits.hits._source.log"
  compare

  echo
  echo "Elasticsearch goes on at $url"
  echo 'Try next: eval "$(bin/cluster env)"; kubectl apply -f examples/ship.yaml; kubectl label pod orders team=shop'
  echo 'Remove it all: make demo-down'
}

# What the node of Elasticsearch needs, besides what the cluster does.
install_programs() {
  local need missing=()
  for need in curl=curl javac=openjdk-17-jdk-headless mvn=maven; do
    command -v "${need%=*}" >/dev/null || missing+=("${need#*=}")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  command -v apt-get >/dev/null || die "install first: ${missing[*]}"
  say "Installing ${missing[*]}"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}" >/dev/null
}

start_elasticsearch() {
  say 'Elasticsearch on this machine (the first time it is downloaded: 100 MB)'
  mkdir -p -m 700 "$beside"
  [ -O "$beside" ] && [ ! -L "$beside" ] || die "$beside belongs to somebody else"
  background elasticsearch '^http://' "$BIN/backend" up elasticsearch
  url=$(grep -o '^http://.*' "$beside/elasticsearch.out")
  background expose 'pods reach' "$BIN/cluster" expose "9200=${url#http://}"
  curl -sS -o "$scratch/deleted" -X DELETE "$url/logstash-*" # of an earlier pod
  kubectl apply -f test/demo/elasticsearch.yaml >/dev/null
}

# name_output makes the profile. Without DNS in the cluster the Service is known
# by its address alone.
name_output() {
  local address=elasticsearch.logging
  kubectl get service -n kube-system kube-dns >/dev/null 2>&1 ||
    address=$(kubectl get service -n logging elasticsearch -o 'jsonpath={.spec.clusterIP}')
  say 'The output, in the profile'
  tee "$scratch/profile.yaml" <<EOT
outputs:
  search:
    to: http://$address:9200
default-output: search
EOT
  # Before the injectors, so that they begin with it.
  installed || kubectl create namespace logging-taco --save-config >/dev/null
  injectors=$(kubectl get pods -n logging-taco -l app.kubernetes.io/component=injector -o name)
  profile_change=$(kubectl create configmap -n logging-taco profile --from-file="$scratch/profile.yaml" --dry-run=client -o yaml | kubectl apply -f -)
}

# restart_injectors is for those that run already: by themselves they would see a
# profile that has changed within a minute.
restart_injectors() {
  case $profile_change in *unchanged) return ;; esac
  [ -n "$injectors" ] || return 0
  show kubectl rollout restart -n logging-taco deployment/injector
  show kubectl rollout status -n logging-taco deployment/injector --timeout=120s
  within 60 'the earlier injectors end' none_ends
}

none_ends() {
  local ending
  ending=$(kubectl get pods -n logging-taco -o 'jsonpath={.items[*].metadata.deletionTimestamp}') && [ -z "$ending" ]
}

found() {
  local count
  count=$(curl -sS "$url/logstash-*/_count?q=$search" | sed -n 's/.*"count":\([0-9]*\).*/\1/p')
  [ "${count:-0}" -ge "$1" ]
}

# ask shows what one sees with curl.
ask() {
  curl -sS -o "$scratch/refreshed" -X POST "$url/logstash-*/_refresh"
  printf '\n$ curl '\''%s'\''\n' "$url/logstash-*/$1&pretty"
  curl -sS "$url/logstash-*/$1&pretty"
}

# compare holds the documents against the orders that the pod has counted.
compare() {
  local lines last
  lines=$(curl -sS "$url/logstash-*/_search?q=$search&size=10000&filter_path=hits.hits._source.log" | grep -o 'INFO [a-z ]*[0-9]*' || true)
  last=$(sed -n 's/^INFO stopped after order //p' <<<"$lines")
  [ -n "$last" ] || die "the pod's last line is not in Elasticsearch"
  diff <(seq "$last") <(sed -n 's/^INFO order //p' <<<"$lines" | sort -n) >&2 ||
    die "the pod stopped after order $last, and above is how the orders in Elasticsearch differ from 1 to $last"
  printf '\nThe pod stopped after order %s. Found are the orders 1 to %s, each once: nothing lost, nothing twice.\n' "$last" "$last"
}

# background NAME WORDS COMMAND... runs a program until demo-down, unless it does
# already, and waits until it has said the words.
background() {
  local name=$1 words=$2 end=$((SECONDS + 600))
  shift 2
  if ! runs "$name"; then
    setsid "$@" >"$beside/$name.out" 2>&1 </dev/null &
    echo "$! $(birth $!)" >"$beside/$name.pid"
  fi
  until grep -q "$words" "$beside/$name.out"; do
    runs "$name" || die "$* ended: $(tail -n 5 "$beside/$name.out")"
    [ "$SECONDS" -lt "$end" ] || die "$*: not ready after a long while: $(tail -n 5 "$beside/$name.out")"
    sleep 0.3
  done
}

# birth tells a process from a later one of the same pid: when it was started, in
# ticks (proc(5), field 22).
birth() { sed -n 's/.*) //p' "/proc/$1/stat" 2>/dev/null | cut -d ' ' -f 20; }

# runs NAME: whether a program of background runs.
runs() {
  local pid born
  read -r pid born 2>/dev/null <"$beside/$1.pid" && [ -n "$born" ] && [ "$(birth "$pid")" = "$born" ]
}

end_ship() {
  [ -d "$beside" ] || return 0
  [ -O "$beside" ] && [ ! -L "$beside" ] || die "$beside belongs to somebody else"
  local name pid born
  for name in expose elasticsearch; do
    runs "$name" || continue
    read -r pid born <"$beside/$name.pid"
    kill "$pid"
    within 60 "$name ends" not_runs "$name"
  done
  rm -rf "$beside"
}

not_runs() { ! runs "$1"; }
