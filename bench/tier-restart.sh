#!/usr/bin/env bash
# A restart with millions of entries in the files tier: how long until the port answers, and until all is recovered.
# Usage: bench/tier-restart.sh [entries]
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
need redis-cli
entries=${1:-5000000}
tier=file data="$scratch/kept" start_levee --memory 512mb --tier-capacity 8gb
dotnet "$levee" bench --port "$port" --op set --keys "$entries" --value-size 200 --preload --duration 100ms --warmup 0 > /dev/null 2>&1
echo "entries: $(redis-cli -p "$port" dbsize)"
machine
echo "| stopped by | the port answers after s | first read of an old key | recovered | entries/s |"
echo "|---|---|---|---|---|"
for how in TERM KILL; do
    kill -$how "$pid"
    wait "$pid" 2> /dev/null || true
    began=$(date +%s.%N)
    dotnet "$levee" serve --resp-port "$port" --http-port 0 --memory 512mb --tier-capacity 8gb --data-dir "$scratch/kept" --log-level information > "$scratch/log" 2>&1 &
    pid=$!
    started+=("$pid")
    until redis-cli -p "$port" ping > /dev/null 2>&1; do sleep 0.02; done
    answered=$(date +%s.%N)
    first=$(redis-cli -p "$port" exists key:000000000000)
    until grep -q Recovered "$scratch/log"; do sleep 0.1; done
    grep -o 'Recovered.*' "$scratch/log" | tail -1 > "$scratch/recovered"
    awk -v how=$how -v a="$began" -v b="$answered" -v f="$first" -v r="$(cat "$scratch/recovered")" 'BEGIN {
        split(r, w, " "); split(w[length(w)], t, ":"); s = t[1] * 3600 + t[2] * 60 + t[3]
        printf "| %s | %.2f | %s | %d in %.2f s | %.2f M |\n", how, b - a, f ? "hit" : "miss", w[2], s, w[2] / s / 1e6 }'
done
