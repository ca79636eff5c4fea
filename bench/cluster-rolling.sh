#!/usr/bin/env bash
# A rolling restart of three silos under load, as an update does it: each is told to stop, hands its partitions over, and is started again on the same folder; the next follows when it is ready.
# Prints hit ratio, latency and failed requests of each step; every read is checked.
# Usage: bench/cluster-rolling.sh [seconds between the steps]     RATE, KEYS, MEMORY, PARTITIONS: see cluster-lib.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
. bench/cluster-lib.sh
pause=${1:-15}
build_cluster
start_silos 1 2 3
start_load "$(servers 1 2 3)"
settle 1 2 3
sleep "$pause"
for n in 1 2 3; do
    event "silo $n is told to stop"
    stop_silo "$n"
    begin_silo "$n"
    ready "$n"
    event "silo $n is back"
    settle 1 2 3
    sleep "$pause"
done
end_load
end_silos 1 2 3
end_bench
