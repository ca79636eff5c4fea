#!/usr/bin/env bash
# What the transports cost, beside Redis: throughput and server CPU seconds per million requests of a server that only parses and replies.
# Usage: bench/transport.sh [rounds] [variant ...]     a variant is kind:loops:read-buffer-KiB, e.g. epoll:1:64
# REQUESTS_1, REQUESTS_16, REQUESTS_64: requests per run at each depth (CPU is counted in ticks of 10 ms: not too few).
# Prints one table row per depth, operation and server (medians over the rounds; servers take turns within a round) with ratios to Redis.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-5}
shift || true
variants=("$@")
[ ${#variants[@]} -gt 0 ] || variants=(epoll:1:64 epoll:2:64 epoll:1:16 epoll:1:256 sockets:0:64)

. bench/lib.sh
need redis-server redis-benchmark
dotnet build bench/NullServer -c Release -v q --nologo > /dev/null
server=$(dotnet msbuild bench/NullServer -p:Configuration=Release -getProperty:TargetPath)
names=() ports=() pids=()
start_redis
names+=(redis) ports+=("$port") pids+=("$pid")
for variant in "${variants[@]}"; do
    IFS=: read -r kind loops buffer <<< "$variant"
    mkfifo "$scratch/$variant"
    dotnet "$server" "$kind" "$loops" "$buffer" > "$scratch/$variant" &
    pids+=($!)
    started+=($!)
    read -r port < "$scratch/$variant"
    names+=("$variant") ports+=("$port")
done

declare -A requests=([1]=${REQUESTS_1:-300000} [16]=${REQUESTS_16:-2000000} [64]=${REQUESTS_64:-4000000})

# Warm: the runtime compiles hot code in the background.
for i in "${!names[@]}"; do
    for depth in 1 16 64; do
        redis-benchmark -p "${ports[$i]}" -t set,get -d 100 -r 100000 -c 50 -P $depth -n $((requests[$depth] / 4)) -q > /dev/null 2>&1
    done
done
for ((round = 0; round < rounds; round++)); do
    for depth in 1 16 64; do
        for operation in set get; do
            for ((k = 0; k < ${#names[@]}; k++)); do
                i=$(((k + round) % ${#names[@]}))
                before=$(cpu_ticks "${pids[$i]}")
                rps=$(redis-benchmark -p "${ports[$i]}" -t $operation -d 100 -r 100000 -c 50 -P $depth -n "${requests[$depth]}" --csv 2> /dev/null | tail -1 | cut -d, -f2 | tr -d '"')
                echo "$depth $operation ${names[$i]} $rps $(($(cpu_ticks "${pids[$i]}") - before)) ${requests[$depth]}" >> "$scratch/results"
            done
        done
    done
    echo "round $((round + 1)) of $rounds" >&2
done

echo "load of the machine, clients and other work included: $(cut -d' ' -f1-3 /proc/loadavg), cores: $(nproc), rounds: $rounds"
echo "| P | op | server | rps | of Redis | CPU s/M | of Redis |"
echo "|---|---|---|---|---|---|---|"
for depth in 1 16 64; do
    for operation in set get; do
        for name in "${names[@]}"; do
            awk -v d=$depth -v o=$operation -v n="$name" '$1 == d && $2 == o && $3 == n { print $4, $5 / '"$(getconf CLK_TCK)"' / $6 * 1e6 }' "$scratch/results" > "$scratch/cell"
            rps=$(median 1 < "$scratch/cell") cpu=$(median 2 < "$scratch/cell")
            [ "$name" != redis ] || { redis_rps=$rps redis_cpu=$cpu; }
            awk -v d=$depth -v o=$operation -v n="$name" -v r="$rps" -v c="$cpu" -v rr="$redis_rps" -v rc="$redis_cpu" \
                'BEGIN { printf "| %d | %s | %s | %dk | %.2f | %.2f | %.2f |\n", d, o, n, r / 1000, r / rr, c, c / rc }'
        done
    done
done
