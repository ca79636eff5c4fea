#!/usr/bin/env bash
# What the garbage collector's settings cost: workstation concurrent (the project's), workstation non-concurrent, server. They take turns; medians of the rounds.
# Usage: bench/gc.sh [rounds]
# Prints server CPU seconds per million sets at -P 16, of HTTP PUTs per thousand, resident MiB empty and after the load, and pauses.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
need redis-server redis-benchmark curl
rounds=${1:-5}
sets=2000000
puts=5000
head -c 100000 /dev/urandom > "$scratch/body"
for ((round = 0; round < rounds; round++)); do
    for setting in 0:1 0:0 1:1; do
        DOTNET_gcServer=${setting%:*} DOTNET_gcConcurrent=${setting#*:} start_levee --memory 1gb
        out=$(ls -t "$scratch"/levee.* | head -1)
        http=$(sed -n 's/.*HTTP on http:\/\/\(.*\)$/\1/p' "$out")
        empty=$(resident_kib "$pid")
        redis-benchmark -p "$port" -t set -d 100 -r 1000000 -c 50 -P 16 -n $sets -q > /dev/null 2>&1
        before=$(cpu_ticks "$pid")
        redis-benchmark -p "$port" -t set -d 100 -r 1000000 -c 50 -P 16 -n $sets -q > /dev/null 2>&1
        sets_ticks=$(($(cpu_ticks "$pid") - before))
        before=$(cpu_ticks "$pid")
        curl -s --parallel --parallel-max 8 -T "$scratch/body" "http://$http/caches/default/keys/body[1-$puts]" > /dev/null
        puts_ticks=$(($(cpu_ticks "$pid") - before))
        pauses=$(curl -s "http://$http/metrics" | awk '/^dotnet_gc_pause_seconds_total/ { print $2 * 1000 }')
        echo "$setting $sets_ticks $puts_ticks $empty $(resident_kib "$pid") $pauses" >> "$scratch/results"
        stop "$pid"
    done
    echo "round $((round + 1)) of $rounds" >&2
done
machine
echo "| settings | CPU s per million sets | CPU s per thousand PUTs of 100 kB | resident MiB, empty | after the load | pauses in all, ms |"
echo "|---|---|---|---|---|---|"
for setting in "0:1 workstation, concurrent" "0:0 workstation, not concurrent" "1:1 server, concurrent"; do
    grep "^${setting%% *} " "$scratch/results" > "$scratch/cell"
    awk -v n="${setting#* }" -v t="$(getconf CLK_TCK)" -v s="$(median 2 < "$scratch/cell")" -v p="$(median 3 < "$scratch/cell")" -v e="$(median 4 < "$scratch/cell")" -v r="$(median 5 < "$scratch/cell")" -v g="$(median 6 < "$scratch/cell")" \
        -v ns=$sets -v np=$puts 'BEGIN { printf "| %s | %.2f | %.2f | %d | %d | %.1f |\n", n, s / t / ns * 1e6, p / t / np * 1000, e / 1024, r / 1024, g }'
done
