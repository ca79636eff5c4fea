#!/usr/bin/env bash
# What Orleans costs a lone silo: the silo beside the same front doors over the bare engine (bench/BareServer). `redis-benchmark -t set,get -d 100 -r 100000 -c 50` at three depths, the two taking turns,
# medians of the rounds; then the start, in turns with the bare server's, and the resident set of an empty silo.
# Usage: [tier=file] bench/one-silo.sh [rounds]
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
need redis-server redis-benchmark redis-cli
rounds=${1:-5}
built bare_program bench/BareServer
built silo_program silo
start_program bare dotnet "$bare_program" --memory 1gb
bare_port=$port bare_pid=$pid
start_program silo dotnet "$silo_program" --memory 1gb --silo-port 0 --gateway-port 0
ports=("$bare_port" "$port") pids=("$bare_pid" "$pid") names=(bare silo)
declare -A requests=([1]=${REQUESTS_1:-300000} [16]=${REQUESTS_16:-2000000} [64]=${REQUESTS_64:-5000000})

# Warm: the runtime compiles hot code in the background.
for i in 0 1; do
    for depth in 1 16 64 64; do redis-benchmark -p "${ports[i]}" -t set,get -d 100 -r 100000 -c 50 -P "$depth" -n $((requests[$depth] / 2)) -q > /dev/null 2>&1; done
done
for ((round = 0; round < rounds; round++)); do
    for depth in 1 16 64; do
        for operation in set get; do
            for k in 0 1; do
                i=$(((k + round) % 2))
                before=$(cpu_ticks "${pids[i]}")
                # csv: test, rps, avg, min, p50, p95, p99, max
                row=$(redis-benchmark -p "${ports[i]}" -t $operation -d 100 -r 100000 -c 50 -P $depth -n "${requests[$depth]}" --csv 2> /dev/null | tail -1 | tr -d '"')
                echo "$depth $operation ${names[i]} $(cut -d, -f2 <<< "$row") $(($(cpu_ticks "${pids[i]}") - before)) ${requests[$depth]} $(cut -d, -f7 <<< "$row")" >> "$scratch/results"
            done
        done
    done
    echo "round $((round + 1)) of $rounds" >&2
done
for pid in "${pids[@]}"; do stop "$pid"; done

echo "rounds: $rounds, tier: ${tier:-none}"
echo "| P | op | bare rps | silo rps | ratio | bare CPU s/M | silo CPU s/M | ratio | bare p99 ms | silo p99 ms |"
echo "|---|---|---|---|---|---|---|---|---|---|"
for depth in 1 16 64; do
    for operation in set get; do
        for name in "${names[@]}"; do
            awk -v d=$depth -v o=$operation -v n="$name" -v t="$(getconf CLK_TCK)" '$1 == d && $2 == o && $3 == n { print $4, $5 / t / $6 * 1e6, $7 }' "$scratch/results" > "$scratch/$name"
        done
        echo "$depth $operation $(for column in 1 2 3; do for name in "${names[@]}"; do median $column < "$scratch/$name"; done; done | tr '\n' ' ')" |
            awk '{ printf "| %d | %s | %dk | %dk | %.2f | %.2f | %.2f | %.2f | %.2f | %.2f |\n", $1, $2, $3 / 1000, $4 / 1000, $4 / $3, $5, $6, $6 / $5, $7, $8 }'
    done
done

# first_set NAME command...: starts it and notes the seconds from the start of the process to the first SET that was answered, its CPU until then, and its resident set 3 s later.
first_set() {
    local name=$1 began=$EPOCHREALTIME
    shift
    local first=$((20000 + RANDOM % 20000))
    "$@" --resp-port $first --http-port 0 --tier "${tier:-none}" --data-dir "$scratch/first.$RANDOM" > "$scratch/first.out" 2>&1 &
    local pid=$!
    until [ "$(redis-cli -p $first set a b 2> /dev/null)" = OK ]; do kill -0 $pid || { cat "$scratch/first.out" >&2; exit 1; }; sleep 0.005; done
    local took
    took=$(awk "BEGIN { print $EPOCHREALTIME - $began }")
    local cpu
    cpu=$(cpu_ticks $pid)
    sleep 3
    echo "$took $(awk "BEGIN { print $cpu / $(getconf CLK_TCK) }") $(awk "BEGIN { print $(resident_kib $pid) / 1024 }")" >> "$scratch/first.$name"
    stop $pid
}
for ((round = 0; round < rounds; round++)); do
    first_set bare dotnet "$bare_program" --memory 64mb
    first_set silo dotnet "$silo_program" --memory 64mb --silo-port 0 --gateway-port 0
done
echo
echo "| server | start to first SET, s | CPU until then, s | resident MiB, empty, 3 s later |"
echo "|---|---|---|---|"
for name in bare silo; do echo "| $name | $(median 1 < "$scratch/first.$name") | $(median 2 < "$scratch/first.$name") | $(median 3 < "$scratch/first.$name") |"; done
machine
