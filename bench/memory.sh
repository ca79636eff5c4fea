#!/usr/bin/env bash
# Resident bytes per entry: 5 million entries of 16-byte keys and 100-byte values, loaded before any eviction; then what holds in steady eviction with ghosts and under
# overwriting with values of 100, 300, 60 and mixed bytes with a full budget.
# Usage: bench/memory.sh [entries]
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
need redis-server redis-cli
entries=${1:-5000000}

# load PORT BYTES FIRST COUNT: SETs key:000000000000 ... in one pipe.
load() {
    awk -v first="$3" -v count="$4" -v size="$2" 'BEGIN { v = sprintf("%*s", size, ""); gsub(/ /, "x", v); for (i = first; i < first + count; i++) printf "*3\r\n$3\r\nSET\r\n$16\r\nkey:%012d\r\n$%d\r\n%s\r\n", i, size, v }' \
        | redis-cli -p "$1" --pipe > "$scratch/pipe" 2>&1 || { cat "$scratch/pipe" >&2; exit 1; }
}
field() { redis-cli -p "$1" info "$2" | tr -d '\r' | awk -F: -v f="$3" '$1 == f { print $2 }'; }

machine
echo "| server | empty MiB | loaded MiB | bytes per entry | held |"
echo "|---|---|---|---|---|"
for name in redis levee; do
    if [ $name = redis ]; then start_redis; else start_levee --memory 4gb; fi
    empty=$(resident_kib "$pid")
    load "$port" 100 0 "$entries"
    sleep 3
    loaded=$(resident_kib "$pid")
    awk -v n=$name -v e="$empty" -v l="$loaded" -v c="$entries" -v h="$(redis-cli -p "$port" dbsize)" 'BEGIN { printf "| %s | %d | %d | %.0f | %d of %d |\n", n, e / 1024, l / 1024, (l - e) * 1024 / c, h, c }'
    stop "$pid"
done

echo
echo "A full budget of 512 MiB, overwritten; resident set against the budget + 10 %."
echo "| phase | entries | resident MiB | over base, of budget | held by the cache MiB | bytes per entry, ghosts included | evictions |"
echo "|---|---|---|---|---|---|---|"
start_levee --memory 512mb
base=$(resident_kib "$pid")
for size in 100 300 60 mixed; do
    if [ $size = mixed ]; then
        for part in 40 900 250 5000 120 2000 75 450; do load "$port" $part $((RANDOM * 100)) 300000; done
    else
        load "$port" $size 0 "$entries"
    fi
    sleep 1
    held=$(field "$port" memory used_memory)
    count=$(redis-cli -p "$port" dbsize)
    awk -v s=$size -v c="$count" -v r="$(resident_kib "$pid")" -v b="$base" -v h="$held" -v e="$(field "$port" stats evicted_keys)" \
        'BEGIN { printf "| %s | %d | %d | %.2f | %d | %.0f | %d |\n", s, c, r / 1024, (r - b) / 1024 / 512, h / 1048576, h / c, e }'
done
