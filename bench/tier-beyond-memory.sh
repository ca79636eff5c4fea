#!/usr/bin/env bash
# A working set ten times the memory budget and larger than the machine's memory: a server in a cgroup of 2 GiB (memory, page cache included), tier capacity 60 % of the working set, Zipf 0.9, values
# of 200 bytes, misses filled. The hit ratio over all tiers beside a simulated LRU of the same capacity, and throughput and CPU beside the same server with everything in memory.
# Usage: bench/tier-beyond-memory.sh [seconds]        Needs a writable memory cgroup (v1 or v2); without one the limit is left out, and said.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
need redis-cli
seconds=${1:-120}
keys=${KEYS:-9000000}
# 240 MiB for entries, 150 for the index of the tier, and the reserve.
l1_mb=${L1_MB:-416}
capacity_mb=${CAPACITY_MB:-1380}

in_cgroup() {
    local group
    if [ -w /sys/fs/cgroup/memory ] && mkdir -p "/sys/fs/cgroup/memory/levee-bench-$$" 2> /dev/null; then
        group=/sys/fs/cgroup/memory/levee-bench-$$
        echo $((2048 * 1048576)) > $group/memory.limit_in_bytes
    elif [ -w /sys/fs/cgroup ] && mkdir -p "/sys/fs/cgroup/levee-bench-$$" 2> /dev/null && [ -e "/sys/fs/cgroup/levee-bench-$$/memory.max" ]; then
        group=/sys/fs/cgroup/levee-bench-$$
        echo $((2048 * 1048576)) > $group/memory.max
    else
        echo "no writable memory cgroup: the limit of 2 GiB is left out"
        return 0
    fi
    echo "$1" > $group/cgroup.procs
}
field() { redis-cli -p "$port" info "$1" | tr -d '\r' | awk -F: -v f="$2" '$1 == f { print $2 }'; }
bench() { dotnet "$levee" bench --port "$port" --keys "$keys" --value-size 200 --distribution zipf:0.9 --connections 32 --pipeline 16 --op get --fill "$@"; }
measure() { # measure NAME
    bench --preload --duration "${seconds}s" --warmup 0 --seed 2 > "$scratch/warm" 2>&1
    local before
    before=$(cpu_ticks "$pid")
    bench --duration 60s --warmup 0 --seed 3 --json > "$scratch/$1.json"
    ticks=$(($(cpu_ticks "$pid") - before))
    ops=$(awk -F'[:,]' '/"operations"/ { print $2 + 0 }' "$scratch/$1.json")
    echo "| $1 | $(awk -F'[:,]' '/"hit_ratio"/ { printf "%.2f %%", $2 * 100 }' "$scratch/$1.json") | $(awk -F'[:,]' '/"throughput_per_second"/ { printf "%dk", $2 / 1000 }' "$scratch/$1.json") | $(awk -v t=$ticks -v o="$ops" 'BEGIN { printf "%.2f", t / '"$(getconf CLK_TCK)"' / o * 1e6 }') | $(awk -F'[:,]' '/"p50"/ { printf "%.2f", $2 } /"p99"/ { printf " / %.2f", $2 }' "$scratch/$1.json") | $(($(resident_kib "$pid") / 1024)) |"
}

machine
echo "| server | hit ratio | requests/s | CPU s/M | p50 / p99 ms | resident MiB |"
echo "|---|---|---|---|---|---|"
tier=file start_levee --memory ${l1_mb}mb --tier-capacity ${capacity_mb}mb
in_cgroup "$pid"
measure "memory ${l1_mb} MiB + files"
entries=$(redis-cli -p "$port" dbsize)
requests=$(awk -F'[( ]+' '/throughput/ { gsub(",", "", $4); print $4 }' "$scratch/warm")
redis-cli -p "$port" info tiers | tr -d '\r' | grep -E 'entries|held|index|hits|misses|demotions|drops|carried' > "$scratch/tiers"
stop "$pid"
start_levee --memory 6gb
measure "everything in memory"
stop "$pid"
dotnet build bench/TierBench -c Release -v q --nologo > /dev/null
echo "| simulated LRU of $entries entries, which the tiers held | $(dotnet "$(dotnet msbuild bench/TierBench -p:Configuration=Release -getProperty:TargetPath)" lru "$keys" "$entries" 0.9 "${requests:-10000000}" 5000000) % | | | | |"
cat "$scratch/tiers"
