#!/usr/bin/env bash
# Compression and encryption of what leaves memory: a working set of four times the memory over the files tier, with and without, taking turns, medians of the rounds.
# Usage: bench/tier-codec.sh [rounds]
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
need redis-cli
rounds=${1:-5}
keys=${KEYS:-900000}
echo "k1 $(head -c 32 /dev/urandom | base64)" > "$scratch/keys"
chmod 600 "$scratch/keys"
tier=file start_levee --memory 64mb --tier-capacity 1gb
ports=("$port") pids=("$pid")
tier=file start_levee --memory 64mb --tier-capacity 1gb --compress brotli --encryption-keys "$scratch/keys"
ports+=("$port") pids+=("$pid")
names=(plain coded)
machine
for i in 0 1; do dotnet "$levee" bench --port "${ports[$i]}" --keys "$keys" --value-size 200 --distribution zipf:0.9 --connections 32 --pipeline 16 --read-share 0.9 --fill --preload --duration 12s --warmup 0 > /dev/null 2>&1; done
for ((round = 0; round < rounds; round++)); do
    for k in 0 1; do
        i=$(((k + round) % 2))
        before=$(cpu_ticks "${pids[$i]}")
        dotnet "$levee" bench --port "${ports[$i]}" --keys "$keys" --value-size 200 --distribution zipf:0.9 --connections 32 --pipeline 16 --read-share 0.9 --fill --duration 6s --warmup 0 --json > "$scratch/run"
        ticks=$(($(cpu_ticks "${pids[$i]}") - before))
        awk -F'[:,]' -v n=${names[$i]} -v t=$ticks '/"operations"/ { o = $2 } /"throughput_per_second"/ { r = $2 } /"hit_ratio"/ { h = $2 } END { print n, r + 0, t / '"$(getconf CLK_TCK)"' / o * 1e6, h * 100 }' "$scratch/run" >> "$scratch/results"
    done
    echo "round $((round + 1)) of $rounds" >&2
done
echo "| files tier | requests/s | CPU s/M | hit ratio % |"
echo "|---|---|---|---|"
for name in plain coded; do
    awk -v n=$name '$1 == n { print $2, $3, $4 }' "$scratch/results" > "$scratch/$name"
    echo "| $name | $(median 1 < "$scratch/$name") | $(median 2 < "$scratch/$name") | $(median 3 < "$scratch/$name") |"
done
