#!/usr/bin/env bash
# Hits and writes that need no tier, while the Redis tier below hangs (SIGSTOP on redis-server) and keys are demoted all the time. Paced load, latencies from the intended send time.
# Usage: bench/tier-hang.sh [rounds]
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
need redis-server redis-cli
rounds=${1:-5}
start_redis
redis=$pid redis_port=$port
tier=redis://127.0.0.1:$redis_port/0 start_levee --memory 128mb
levee_pid=$pid
hot() { dotnet "$levee" bench --port "$port" --keys 20000 --value-size 100 --connections 16 --pipeline 4 --read-share 0.8 --rate 20000 --duration 6s --warmup 1s --preload --json > "$1"; }
value() { awk -F'[:,]' -v f="\"$2\"" '$1 ~ f { print $2 + 0; exit }' "$1"; }
# Writes of ever new keys keep entries going down.
dotnet "$levee" bench --port "$port" --op set --keys 2000000 --value-size 400 --connections 4 --pipeline 4 --rate 10000 --duration 600s --warmup 0 > "$scratch/churn" 2>&1 &
churn=$!
started+=("$churn")
sleep 10
hot "$scratch/warm"
machine
for ((round = 0; round < rounds; round++)); do
    hot "$scratch/run"
    echo "before $(value "$scratch/run" p50) $(value "$scratch/run" p99) $(value "$scratch/run" throughput_per_second)" >> "$scratch/results"
    kill -STOP "$redis"
    sleep 3
    hot "$scratch/run"
    echo "hangs $(value "$scratch/run" p50) $(value "$scratch/run" p99) $(value "$scratch/run" throughput_per_second)" >> "$scratch/results"
    kill -CONT "$redis"
    sleep 4
    echo "round $((round + 1)) of $rounds" >&2
done
echo "| tier | p50 ms | p99 ms | requests/s (20,000 asked) |"
echo "|---|---|---|---|"
for name in before hangs; do
    awk -v n=$name '$1 == n { print $2, $3, $4 }' "$scratch/results" > "$scratch/$name"
    echo "| $name | $(median 1 < "$scratch/$name") | $(median 2 < "$scratch/$name") | $(median 3 < "$scratch/$name") |"
done
redis-cli -p "$port" info tiers | tr -d '\r' | grep -E 'health|demotions|drops|failures'
kill "$churn" 2> /dev/null || true
