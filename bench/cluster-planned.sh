#!/usr/bin/env bash
# A silo leaves as planned (SIGTERM), and a silo joins, under load: hit ratio and latency before, while and after, failed requests; every read is checked.
# Clients are connected to the silos that stay; then once more to all of them.
# Usage: bench/cluster-planned.sh [seconds before and after each event]     RATE, KEYS, MEMORY, PARTITIONS: see cluster-lib.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
. bench/cluster-lib.sh
pause=${1:-20}
build_cluster

leave() {
    echo "== planned stop of one of three; clients on silos $*"
    start_silos 1 2 3
    start_load "$(servers "$@")"
    settle 1 2 3
    sleep "$pause"
    event "planned stop of silo 3"
    stop_silo 3
    sleep "$pause"
    end_load
    end_silos 1 2
}

echo "== a third silo joins two"
start_silos 1 2
start_load "$(servers 1 2)"
settle 1 2
sleep "$pause"
event "silo 3 joins"
begin_silo 3
ready 3
settle 1 2 3
sleep "$pause"
end_load
end_silos 1 2 3
leave 1 2
leave 1 2 3
end_bench
