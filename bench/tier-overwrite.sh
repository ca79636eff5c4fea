#!/usr/bin/env bash
# Overwriting keys that lie in the files tier, with room in memory: each server is filled, stopped and started again, so that memory is empty and the tier has every key; then random keys are set (as
# often as there are keys: 63 % of the sets are of a key that lies in the tier). Beside the same server without tiers. Taking turns, medians of the rounds.
# Usage: bench/tier-overwrite.sh [rounds]
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
need redis-benchmark redis-cli
rounds=${1:-5}
keys=${KEYS:-1000000}
machine
for ((round = 0; round < rounds; round++)); do
    for k in 0 1; do
        if [ $(((k + round) % 2)) = 0 ]; then name=none; else name=file; fi
        rm -rf "$scratch/kept"
        tier=$name data="$scratch/kept" start_levee --memory 512mb
        dotnet "$levee" bench --port "$port" --op set --keys "$keys" --value-size 100 --preload --duration 100ms --warmup 0 > /dev/null 2>&1
        stop "$pid"
        tier=$name data="$scratch/kept" start_levee --memory 512mb
        # Warm: the runtime compiles hot code in the background. These keys are others.
        redis-benchmark -p "$port" -t get -d 100 -r 100000 -c 50 -P 16 -n 1000000 -q > /dev/null 2>&1
        redis-benchmark -p "$port" -d 100 -r 20000 -c 50 -P 16 -n 1000000 -q set warm:__rand_int__ x > /dev/null 2>&1
        before=$(cpu_ticks "$pid")
        row=$(redis-benchmark -p "$port" -t set -d 100 -r "$keys" -c 50 -P 16 -n "$keys" --csv 2> /dev/null | tail -1 | tr -d '"')
        echo "$name $(cut -d, -f2 <<< "$row") $(($(cpu_ticks "$pid") - before))" >> "$scratch/results"
        stop "$pid"
    done
    echo "round $((round + 1)) of $rounds" >&2
done
for name in none file; do
    awk -v n=$name -v k="$keys" '$1 == n { print $2, $3 / '"$(getconf CLK_TCK)"' / k * 1e6 }' "$scratch/results" > "$scratch/$name"
done
echo "| $keys keys in the tier, overwritten, $rounds rounds | --tier none rps | files tier rps | ratio | CPU s/M | CPU s/M |"
echo "|---|---|---|---|---|---|"
awk -v a="$(median 1 < "$scratch/none")" -v b="$(median 1 < "$scratch/file")" -v c="$(median 2 < "$scratch/none")" -v d="$(median 2 < "$scratch/file")" \
    'BEGIN { printf "| P16 set | %dk | %dk | %.2f | %.2f | %.2f |\n", a / 1000, b / 1000, b / a, c, d }'
