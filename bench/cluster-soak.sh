#!/usr/bin/env bash
# Are the membership's defaults safe? Three silos, a busy process on every core, and load at full rate with values that keep the collector and eviction busy: prints how many silos were declared dead,
# how often a lease lapsed, and how many requests failed. Nothing is done to the silos, so each of these is a false alarm.
# Usage: MINUTES=20 bench/cluster-soak.sh     RATE, KEYS, MEMORY, PARTITIONS: see cluster-lib.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
. bench/cluster-lib.sh
minutes=${MINUTES:-20}
memory=${MEMORY:-256mb} partitions=${PARTITIONS:-32}
build_cluster
start_silos 1 2 3
RATE=${RATE:-50000} KEYS=${KEYS:-1000000} start_load "$(servers 1 2 3)" --value 1000 --read 0.7 --pipeline 32
settle 1 2 3
for _ in $(seq "$(nproc)"); do
    (while :; do :; done) &
    started+=($!)
done
for ((minute = 1; minute <= minutes; minute++)); do
    sleep 60
    echo "minute $minute of $minutes: $(dead_silos) silos dead, $(metric_all levee_lease_lapses_total 1 2 3) lease lapses, load $(cut -d' ' -f1 /proc/loadavg)" >&2
done
echo "silos declared dead: $(dead_silos)"
echo "lease lapses: $(metric_all levee_lease_lapses_total 1 2 3)"
for n in 1 2 3; do echo "silo $n: GC pauses $(curl -sf "http://127.0.0.1:${http_of[n]}/metrics" | awk '$1 == "dotnet_gc_pause_seconds_total" { print $2 }') s, $(metric "$n" dotnet_gc_collections_total) collections"; done
end_load
end_silos 1 2 3
end_bench
