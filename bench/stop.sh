#!/usr/bin/env bash
# A clean stop and the start after it: how long the stop takes, what it says, and how many entries come back.
# Usage: bench/stop.sh [all]    all: also 4.5 million values of 1 KB, which takes 6 GB of memory and 6 GB of disk.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
need redis-cli redis-server

# round NAME TIER MEMORY ENTRIES BYTES
round() {
    local name=$1 memory=$3 entries=$4 bytes=$5 began ended came levee_out last
    tier=$2 data="$scratch/$name"
    start_levee --memory "$memory" --prefetch off
    dotnet "$levee" bench --port "$port" --op set --keys "$entries" --value-size "$bytes" --preload --duration 100ms --warmup 0 > /dev/null 2>&1
    local before
    before=$(redis-cli -p "$port" dbsize)
    levee_out=$(readlink "/proc/$pid/fd/1")
    began=$(date +%s.%N)
    kill -TERM "$pid"
    local code=0
    wait "$pid" || code=$?
    ended=$(date +%s.%N)
    last=$(grep 'cache default:' "$levee_out" | tail -1 | sed 's/^levee: cache default: //')
    start_levee --memory "$memory" --prefetch off
    came=0
    for _ in $(seq 300); do
        came=$(redis-cli -p "$port" dbsize)
        [ "$came" -ge "$before" ] && break
        sleep 0.2
    done
    stop "$pid"
    rm -rf "$data"
    awk -v n="$name" -v b="$before" -v c="$came" -v a="$began" -v e="$ended" -v x="$code" -v l="$last" 'BEGIN { printf "| %s | %d | %d | %.1f | %d | %s |\n", n, b, c, e - a, x, l }'
}

levee=${levee:-}
start_redis
redis="redis://127.0.0.1:$port/0"
machine
echo "| stop | entries before | after the next start | stop took s | exit | it said |"
echo "|---|--:|--:|--:|--:|---|"
round files-100KB file 512mb 2000 100000
round redis-100KB "$redis?prefix=a" 512mb 2000 100000
round redis-500B "$redis?prefix=b" 32mb 5000 500
if [ "${1:-}" = all ]; then round files-1KB file 6gb 4500000 1000; fi
