#!/usr/bin/env bash
# What the default tier costs: the same server with --tier none and with the files tier and its log on, taking turns, medians of the rounds.
# First everything lies in memory (redis-benchmark -r 100000); then keys are overwritten that lie in the files tier.
# Usage: bench/tier-default.sh [rounds]
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
need redis-benchmark redis-cli
rounds=${1:-5}
keys=${KEYS:-1000000}

names=(none file)
run() { # run ROW SERVER DEPTH OPERATION KEYSPACE REQUESTS
    local before row
    before=$(cpu_ticks "${pids[$2]}")
    row=$(redis-benchmark -p "${ports[$2]}" -t "$4" -d 100 -r "$5" -c 50 -P "$3" -n "$6" --csv 2> /dev/null | tail -1 | tr -d '"')
    echo "$1 ${names[$2]} $(cut -d, -f2 <<< "$row") $(($(cpu_ticks "${pids[$2]}") - before)) $6 $(cut -d, -f7 <<< "$row")" >> "$scratch/results"
}
table() {
    echo "| $1 | --tier none rps | files tier rps | ratio | CPU s/M | CPU s/M | ratio | p99 ms | p99 ms |"
    echo "|---|---|---|---|---|---|---|---|---|"
    for row in $(cut -d' ' -f1 "$scratch/results" | uniq | sort -u); do
        for name in none file; do
            awk -v r="$row" -v n=$name '$1 == r && $2 == n { print $3, $4 / '"$(getconf CLK_TCK)"' / $5 * 1e6, $6 }' "$scratch/results" > "$scratch/$name"
        done
        awk -v row="${row//-/ }" -v a="$(median 1 < "$scratch/none")" -v b="$(median 1 < "$scratch/file")" -v c="$(median 2 < "$scratch/none")" -v d="$(median 2 < "$scratch/file")" \
            -v e="$(median 3 < "$scratch/none")" -v f="$(median 3 < "$scratch/file")" 'BEGIN { printf "| %s | %dk | %dk | %.2f | %.2f | %.2f | %.2f | %.2f | %.2f |\n", row, a / 1000, b / 1000, b / a, c, d, d / c, e, f }'
    done
}
both() { # both MEMORY
    tier=none start_levee --memory "$1"
    ports=("$port") pids=("$pid")
    tier=file start_levee --memory "$1"
    ports+=("$port") pids+=("$pid")
}

machine
both 1gb
for i in 0 1; do for depth in 16 64 64; do redis-benchmark -p "${ports[$i]}" -t set,get -d 100 -r 100000 -c 50 -P $depth -n 2000000 -q > /dev/null 2>&1; done; done
for ((round = 0; round < rounds; round++)); do
    for k in 0 1; do
        i=$(((k + round) % 2))
        for operation in set get; do
            run "P16-$operation" $i 16 $operation 100000 2000000
            run "P64-$operation" $i 64 $operation 100000 4000000
        done
        run "P1-get" $i 1 get 100000 300000
    done
    echo "round $((round + 1)) of $rounds" >&2
done
table "all in memory, $rounds rounds"
stop "${pids[0]}"
stop "${pids[1]}"

echo
: > "$scratch/results"
both 64mb
for ((round = 0; round < rounds; round++)); do
    for k in 0 1; do
        i=$(((k + round) % 2))
        # Every key is written in order, so that most of them lie below memory, then overwritten at random.
        dotnet "$levee" bench --port "${ports[$i]}" --op set --keys "$keys" --value-size 100 --preload --duration 100ms --warmup 0 > /dev/null 2>&1
        run "P16-overwrite" $i 16 set "$keys" 1000000
    done
    echo "round $((round + 1)) of $rounds" >&2
done
table "$keys keys over 64 MiB, overwritten, $rounds rounds"
redis-cli -p "${ports[1]}" info tiers | tr -d '\r' | grep -E 'demotions|drops|health'
