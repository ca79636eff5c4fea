# What the cluster's benchmarks share. Sourced after lib.sh; the caller has set -euo pipefail and stands in the repository.
# A Redis of their own holds the membership and the claims; silos 1, 2, ... lie in resp[n], http[n], silo[n] (its pid), each with a data folder of its own and a name that stays when it restarts.

need redis-server redis-cli curl
partitions=${PARTITIONS:-64}
memory=${MEMORY:-512mb}
resp=() http_of=() silo=()
events="$scratch/events"

# Instead of lib.sh's: a silo that stands still hears no SIGTERM, and one that is asked kindly takes its time.
trap 'for pid in $(jobs -p); do kill -CONT "$pid"; kill -KILL "$pid"; done 2> /dev/null; { wait; } 2> /dev/null; rm -rf "$scratch"' EXIT

build_cluster() {
    [ -n "${silo_program:-}" ] || built silo_program silo
    [ -n "${load_program:-}" ] || built load_program bench/ClusterLoad
    start_redis
    store=$port
}

# begin_silo N [options]: starts silo N, on its old ports where it had some. Its output goes to silo.N.out, warnings to silo.N.log, restarts appended.
begin_silo() {
    local n=$1
    shift
    : > "$scratch/silo.$n.out"
    dotnet "$silo_program" --clustering redis --clustering-connection "127.0.0.1:$store" --name "silo-$n" --advertise 127.0.0.1 --silo-port 0 --gateway-port 0 \
        --resp-port "${resp[n]:-0}" --http-port "${http_of[n]:-0}" --memory "$memory" --partitions "$partitions" --tier "${tier:-none}" --data-dir "$scratch/data.$n" "$@" \
        > "$scratch/silo.$n.out" 2>> "$scratch/silo.$n.log" &
    silo[n]=$!
    started+=("${silo[n]}")
}

# ready N: waits until silo N serves, and notes its ports.
ready() {
    local n=$1
    for _ in $(seq 600); do
        kill -0 "${silo[n]}" 2> /dev/null || { cat "$scratch/silo.$n.out" "$scratch/silo.$n.log" >&2; echo "silo $n has ended" >&2; exit 1; }
        http_of[n]=$(sed -n 's/.*HTTP on http:\/\/[^:]*:\([0-9]*\).*/\1/p' "$scratch/silo.$n.out")
        resp[n]=$(sed -n 's/.*RESP on [^:]*:\([0-9]*\),.*/\1/p' "$scratch/silo.$n.out")
        if [ -n "${http_of[n]}" ] && curl -sf -m 2 "http://127.0.0.1:${http_of[n]}/health/ready" > /dev/null; then return; fi
        sleep 0.1
    done
    echo "silo $n is not ready after 60 s" >&2
    exit 1
}

# start_silos N ...: starts them together and waits for all.
start_silos() {
    for n in "$@"; do begin_silo "$n"; done
    for n in "$@"; do ready "$n"; done
}

# servers N ...: their RESP endpoints, as ClusterLoad takes them.
servers() { local list=(); for n in "$@"; do list+=("127.0.0.1:${resp[n]}"); done; (IFS=,; echo "${list[*]}"); }

# stop_silo N: planned; waits until it is gone, prints how long it took and what it said meanwhile.
stop_silo() {
    local began=$EPOCHREALTIME said
    said=$(wc -l < "$scratch/silo.$1.log")
    kill -TERM "${silo[$1]}"
    wait "${silo[$1]}" || true
    echo "silo $1 stopped in $(awk "BEGIN { printf \"%.1f\", $EPOCHREALTIME - $began }") s"
    tail -n +$((said + 1)) "$scratch/silo.$1.log"
}

end_silos() { for n in "$@"; do kill -CONT "${silo[n]}" 2> /dev/null || true; kill -KILL "${silo[n]}" 2> /dev/null || true; wait "${silo[n]}" 2> /dev/null || true; done; redis-cli -p "$store" flushall > /dev/null; rm -rf "$scratch"/data.*; resp=() http_of=() silo=(); }

# start_load SERVERS [options]: the load, in the background; returns when every key is written and measuring has begun.
start_load() {
    local to=$1
    shift
    : > "$events"
    dotnet "$load_program" --servers "$to" --partitions "$partitions" --rate "${RATE:-10000}" --keys "${KEYS:-200000}" --connections "${CONNECTIONS:-16}" --events "$events" --json "$scratch/load.json" --seconds 100000 "$@" > "$scratch/load.out" &
    load=$!
    started+=("$load")
    for _ in $(seq 1200); do grep -q '^preloaded' "$scratch/load.out" && return; kill -0 "$load" || break; sleep 0.1; done
    cat "$scratch/load.out" >&2
    echo "the load did not begin" >&2
    exit 1
}

# settle N ...: waits for the balance, and says how long it took and who owns how much: what happens to a silo that owns nothing proves nothing.
settle() { echo "balanced after $(until_balanced "$@") s; partitions of silos $*: $(owned "$@" | tr '\n' ' ')"; }

event() { echo "$*" >> "$events"; echo "  $*" >&2; }

# end_load: prints the report. A violation is printed with its history, and counted in violations.
violations=0
end_load() {
    kill -TERM "$load" 2> /dev/null || true
    wait "$load" || violations=$((violations + 1))
    sed -n '/^$/,$p' "$scratch/load.out"
    [ -z "${SECONDS_TOO:-}" ] || grep -E '^ *[0-9.]+ s ' "$scratch/load.out"
}

end_bench() {
    machine
    [ "$violations" = 0 ] || { echo "READS WERE WRONG in $violations of the runs above" >&2; exit 1; }
}

# metric N NAME: the sum of a metric's series on silo N.
metric() {
    curl -sf -m 5 "http://127.0.0.1:${http_of[$1]}/metrics" | awk -v n="$2" -v silo="$1" '
        { split($1, name, "{") } name[1] == n { s += $NF; found = 1 }
        END { if (!found) { print "silo " silo " has no metric " n > "/dev/stderr"; exit 1 }; printf "%.0f\n", s }'
}

# metric_all NAME N ...: the sum over silos.
metric_all() { local name=$1; shift; for n in "$@"; do metric "$n" "$name"; done | awk '{ s += $1 } END { printf "%.0f\n", s }'; }

# owned N ...: how many partitions each of these silos owns, by the claims; a line each.
owned() {
    for ((p = 0; p < partitions; p++)); do echo "hget levee/state/cachepartition/default/$p/owner data"; done | redis-cli -p "$store" > "$scratch/claims"
    for n in "$@"; do grep -c "\"Silo\":\"$(sed -n 's/.*silo on \([^,]*\),.*/\1/p' "$scratch/silo.$n.out")@" "$scratch/claims" || true; done
}

# until_balanced N ...: waits until these silos own all partitions and none more than an even share, rounded up, at most 60 s; prints how long it took.
until_balanced() {
    local began=$EPOCHREALTIME share=$(((partitions + $# - 1) / $#))
    while awk "BEGIN { exit $EPOCHREALTIME - $began > 60 }"; do
        if owned "$@" | awk -v share=$share -v all="$partitions" '{ sum += $1 } $1 > share { above = 1 } END { exit above || sum != all }'; then
            awk "BEGIN { printf \"%.1f\\n\", $EPOCHREALTIME - $began }"
            return
        fi
        sleep 0.1
    done
    echo "not within 60"
}

# dead_silos: rows of the membership table that are dead; whoever stopped as planned is among them.
dead_silos() { redis-cli -p "$store" --raw hvals levee/members/levee | grep -cE '"Status":("Dead"|6)' || true; }
