#!/usr/bin/env bash
# Throughput, CPU and latency of levee beside redis-server: `redis-benchmark -t set,get -d 100 -r 100000 -c 50` at three depths, the two taking turns, medians of the rounds.
# Usage: bench/compare.sh [rounds] [levee serve's options ...]
# Prints requests per second, server CPU seconds per million requests and the client's p50/p99, with ratios to Redis.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
need redis-server redis-benchmark
rounds=${1:-5}
shift || true

start_redis
ports=([0]=$port) pids=([0]=$pid) names=(redis levee)
start_levee --memory 1gb "$@"
ports[1]=$port pids[1]=$pid
declare -A requests=([1]=${REQUESTS_1:-300000} [16]=${REQUESTS_16:-2000000} [64]=${REQUESTS_64:-5000000})

# Warm: the runtime compiles hot code in the background.
for i in 0 1; do
    for depth in 1 16 64 64; do
        redis-benchmark -p "${ports[$i]}" -t set,get -d 100 -r 100000 -c 50 -P $depth -n $((requests[$depth] / 2)) -q > /dev/null 2>&1
    done
done
for ((round = 0; round < rounds; round++)); do
    for depth in 1 16 64; do
        for operation in set get; do
            for k in 0 1; do
                i=$(((k + round) % 2))
                before=$(cpu_ticks "${pids[$i]}")
                # csv: test, rps, avg, min, p50, p95, p99, max
                row=$(redis-benchmark -p "${ports[$i]}" -t $operation -d 100 -r 100000 -c 50 -P $depth -n "${requests[$depth]}" --csv 2> /dev/null | tail -1 | tr -d '"')
                echo "$depth $operation ${names[$i]} $(cut -d, -f2 <<< "$row") $(($(cpu_ticks "${pids[$i]}") - before)) ${requests[$depth]} $(cut -d, -f5 <<< "$row") $(cut -d, -f7 <<< "$row")" >> "$scratch/results"
            done
        done
    done
    echo "round $((round + 1)) of $rounds" >&2
done

machine
echo "rounds: $rounds"
echo "| P | op | Redis rps | levee rps | ratio | Redis CPU s/M | levee CPU s/M | ratio | Redis p50/p99 ms | levee p50/p99 ms |"
echo "|---|---|---|---|---|---|---|---|---|---|"
for depth in 1 16 64; do
    for operation in set get; do
        for name in redis levee; do
            awk -v d=$depth -v o=$operation -v n="$name" '$1 == d && $2 == o && $3 == n { print $4, $5 / '"$(getconf CLK_TCK)"' / $6 * 1e6, $7, $8 }' "$scratch/results" > "$scratch/$name"
        done
        awk -v d=$depth -v o=$operation \
            -v rr="$(median 1 < "$scratch/redis")" -v rc="$(median 2 < "$scratch/redis")" -v r5="$(median 3 < "$scratch/redis")" -v r9="$(median 4 < "$scratch/redis")" \
            -v lr="$(median 1 < "$scratch/levee")" -v lc="$(median 2 < "$scratch/levee")" -v l5="$(median 3 < "$scratch/levee")" -v l9="$(median 4 < "$scratch/levee")" \
            'BEGIN { printf "| %d | %s | %dk | %dk | %.2f | %.2f | %.2f | %.2f | %.2f / %.2f | %.2f / %.2f |\n", d, o, rr / 1000, lr / 1000, lr / rr, rc, lc, lc / rc, r5, r9, l5, l9 }'
    done
done
