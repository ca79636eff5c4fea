#!/usr/bin/env bash
# What prefetching costs where there is nothing to predict: Zipf 0.99 over hashed keys, some of which memory has no room for, 16 pipelined. Two servers, with --prefetch on and off, that have run for a while, asked in turns.
# Usage: bench/prefetch-zipf.sh [rounds] [seconds of each turn] [exponent]
# LEARNS=always: the prefetcher begins anew with each turn, and so never rests.
# Prints CPU per request off and on, the mean of the paired differences with its 95 % interval, the hit ratio of memory, and what was loaded ahead.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
need redis-cli
rounds=${1:-40}
seconds=${2:-2}
exponent=${3:-0.99}

python3 - "$exponent" > "$scratch/zipf.txt" <<'PYTHON'
import bisect, hashlib, itertools, random, sys
exponent, keys, draws = float(sys.argv[1]), 40_000, 1_000_000
random.seed(1)
sums = list(itertools.accumulate(1 / rank ** exponent for rank in range(1, keys + 1)))
names = [hashlib.sha1(str(rank).encode()).hexdigest()[:16] + "x" for rank in range(keys)]
for _ in range(draws):
    print(names[min(keys - 1, bisect.bisect_left(sums, random.random() * sums[-1]))])
PYTHON

declare -A ports https pids
run() { dotnet "$levee" bench --port "${ports[$1]}" --distribution "trace:$scratch/zipf.txt" --op get --connections 16 --pipeline 16 --value-size 1000 --warmup 0 "${@:2}"; }
learn() { curl -sf -X PATCH -H 'content-type: application/json' -d "{\"learning\":$1}" "http://127.0.0.1:${https[on]}/caches/default/prefetch" > /dev/null; }
info() { redis-cli -p "${ports[$1]}" info "$2" | tr -d '\r' | awk -F: -v name="$3" '$1 == name { print $2 + 0 }'; }

for mode in off on; do
    tier=file start_levee --memory 16mb --prefetch "$mode"
    ports[$mode]=$port https[$mode]=$http pids[$mode]=$pid
    run "$mode" --preload --duration 10s > /dev/null
done

for ((round = 0; round < rounds; round++)); do
    for k in 0 1; do
        mode=$([ $(((k + round) % 2)) = 0 ] && echo off || echo on)
        if [ "${LEARNS:-}" = always ] && [ "$mode" = on ]; then learn false; learn true; fi
        ticks=$(cpu_ticks "${pids[$mode]}") waits=$(info "$mode" levee waits) asked=$(info "$mode" prefetch default_asked)
        operations=$(run "$mode" --duration "${seconds}s" --json | awk -F'[:,]' '/"operations"/ { print $2 + 0 }')
        echo "$mode $operations $(($(cpu_ticks "${pids[$mode]}") - ticks)) $(($(info "$mode" levee waits) - waits)) $(($(info "$mode" prefetch default_asked) - ${asked:-0}))" >> "$scratch/results"
    done
done

machine
python3 - "$scratch/results" "$(getconf CLK_TCK)" <<'PYTHON'
import math, statistics, sys
rows = [line.split() for line in open(sys.argv[1])]
hertz = int(sys.argv[2])
by = {mode: [[float(value) for value in row[1:]] for row in rows if row[0] == mode] for mode in ("off", "on")}
cpu = {mode: [row[1] / hertz / row[0] * 1e6 for row in found] for mode, found in by.items()}
memory = {mode: (1 - sum(row[2] for row in found) / sum(row[0] for row in found)) * 100 for mode, found in by.items()}
differences = [(on / off - 1) * 100 for off, on in zip(cpu["off"], cpu["on"])]
half = 2 * statistics.stdev(differences) / math.sqrt(len(differences))
print("| prefetch | CPU, s per million (median) | found in memory, % | loads ahead per 1,000 requests |")
print("|---|--:|--:|--:|")
for mode in ("off", "on"):
    asked, requests = sum(row[3] for row in by[mode]), sum(row[0] for row in by[mode])
    print(f"| {mode} | {statistics.median(cpu[mode]):.3f} | {memory[mode]:.3f} | {asked / requests * 1000:.3f} |")
print(f"\nPaired difference of CPU per request: {statistics.mean(differences):+.1f} % (95 % interval {statistics.mean(differences) - half:+.1f} to {statistics.mean(differences) + half:+.1f}), median {statistics.median(differences):+.1f} %, {len(differences)} pairs.")
PYTHON
