#!/usr/bin/env bash
# Latency of reads beside writes: 5 million entries of 100 bytes are overwritten at half of Redis' maximum while a reader at -P 1 -c 5 looks on; Redis and levee take turns.
# Usage: bench/tail.sh [rounds] [entries]     PINNED=1: server on core 0, both clients on core 1.
# Prints the reader's p50, p99, p99.9 and max in ms (from redis-benchmark's histogram), and levee's GC pauses as a share of the time.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
need redis-server redis-benchmark redis-cli
rounds=${1:-5}
entries=${2:-5000000}
reads=${READS:-200000}
client="" ; on_core=""
if [ "${PINNED:-0}" = 1 ]; then on_core="taskset -c 0" client="taskset -c 1"; fi

start_redis
ports=([0]=$port) pids=([0]=$pid) names=(redis levee)
start_levee --memory 4gb
ports[1]=$port pids[1]=$pid
http=$(sed -n 's/.*HTTP on http:\/\/\(.*\)$/\1/p' "$scratch"/levee.*)
for i in 0 1; do $client redis-benchmark -p "${ports[$i]}" -d 100 -r "$entries" -t set -P 64 -c 20 -n $((entries * 3)) -q > /dev/null 2>&1; done
half=$(($($client redis-benchmark -p "${ports[0]}" -d 100 -r "$entries" -t set -P 16 -c 20 -n 3000000 --csv 2> /dev/null | tail -1 | cut -d, -f2 | tr -d '"' | cut -d. -f1) / 2))
echo "writer: $half sets/s at the most" >&2

processed() { redis-cli -p "$1" info stats | tr -d '\r' | awk -F: '$1 == "total_commands_processed" { print $2 }'; }
pauses() { curl -s "http://$http/metrics" | awk '/^dotnet_gc_pause_seconds_total|^levee_gc_pause_seconds_total/ { print $2 }' | head -1; }
for ((round = 0; round < rounds; round++)); do
    for k in 0 1; do
        i=$(((k + round) % 2))
        before=$(pauses)
        began=$(date +%s.%N)
        # The writer is levee's own bench, which can hold a rate.
        $client dotnet "$levee" bench --port "${ports[$i]}" --op set --keys "$entries" --value-size 100 --pipeline 16 --connections 20 --rate "$half" --duration 120s --warmup 0 > "$scratch/writer" 2>&1 &
        writer=$!
        started+=("$writer")
        sleep 3
        commands=$(processed "${ports[$i]}")
        reading=$(date +%s.%N)
        $client redis-benchmark -p "${ports[$i]}" -d 100 -r "$entries" -t get -P 1 -c 5 -n "$reads" --precision 3 > "$scratch/reader" 2> /dev/null
        rate=$(echo "$commands $(processed "${ports[$i]}") $reads $reading $(date +%s.%N)" | awk '{ printf "%d", ($2 - $1 - $3) / ($5 - $4) }')
        kill "$writer" 2> /dev/null || { echo "the writer has ended early:" >&2; cat "$scratch/writer" >&2; exit 1; }
        wait "$writer" 2> /dev/null || true
        # Lines "99.902% <= 1.407 milliseconds (cumulative count n)": the first at or above each share.
        tr '\r' '\n' < "$scratch/reader" | awk -v n="${names[$i]}" -v w="$rate" '
            /% <= .*cumulative/ { p = $1 + 0; v = $3; if (!a && p >= 50) a = v; if (!b && p >= 99) b = v; if (!c && p >= 99.9) c = v; m = v }
            END { print n, a, b, c, m, w }' >> "$scratch/results"
        [ "${names[$i]}" = redis ] || echo "$before $(pauses) $began $(date +%s.%N)" | awk '{ print ($2 - $1) / ($4 - $3) * 100 }' >> "$scratch/gc"
    done
    echo "round $((round + 1)) of $rounds" >&2
done

machine
echo "writer at $half sets/s, reader $reads gets, rounds: $rounds, pinned: ${PINNED:-0}; ms"
echo "| server | p50 | p99 | p99.9 | max | sets/s meanwhile |"
echo "|---|---|---|---|---|---|"
for name in redis levee; do
    grep "^$name " "$scratch/results" > "$scratch/cell"
    echo "| $name | $(median 2 < "$scratch/cell") | $(median 3 < "$scratch/cell") | $(median 4 < "$scratch/cell") | $(median 5 < "$scratch/cell") | $(median 6 < "$scratch/cell") |"
done
echo "GC pauses of levee: $(median 1 < "$scratch/gc") % of the time"
