#!/usr/bin/env bash
# One silo beside levee serve, as bench/compare.sh has it: `redis-benchmark -t set,get -d 100 -r 100000 -c 50` at three depths, the two taking turns, medians of the rounds.
# Usage: bench/cluster-resp.sh [rounds]
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
need redis-benchmark
. bench/cluster-lib.sh
rounds=${1:-5}
memory=1gb
build_cluster
start_silos 1
start_levee --memory 1gb --partitions "$partitions"
ports=("$port" "${resp[1]}") pids=("$pid" "${silo[1]}") names=(serve silo)
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

echo "rounds: $rounds, partitions: $partitions"
echo "| P | op | serve rps | silo rps | ratio | serve CPU s/M | silo CPU s/M | ratio | serve p99 ms | silo p99 ms |"
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
end_silos 1
end_bench
