#!/usr/bin/env bash
# A silo is killed (kill -9), and a silo is stopped for a while (SIGSTOP, SIGCONT), under load: hit ratio, failed requests, how long partitions did not answer. Every read is checked, those too
# that a reader had sent to the stopped silo and that it answers once it goes on.
# Usage: bench/cluster-failure.sh [seconds before and after each event] [seconds stopped]     RATE, KEYS, MEMORY, PARTITIONS: see cluster-lib.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
. bench/cluster-lib.sh
pause=${1:-30}
stopped=${2:-30}
build_cluster

killed() {
    echo "== kill -9 of one of three; clients on silos $*"
    start_silos 1 2 3
    start_load "$(servers "$@")"
    settle 1 2 3
    sleep "$pause"
    event "kill -9 of silo 3"
    kill -KILL "${silo[3]}"
    wait "${silo[3]}" 2> /dev/null || true
    sleep "$pause"
    end_load
    end_silos 1 2
}

killed 1 2
killed 1 2 3

echo "== SIGSTOP of one of three for $stopped s; clients on silos 1 2, a reader on silo 3"
start_silos 1 2 3
start_load "$(servers 1 2)" --watch "$(servers 3)"
settle 1 2 3
sleep "$pause"
event "silo 3 stands still"
kill -STOP "${silo[3]}"
sleep "$stopped"
event "silo 3 goes on"
kill -CONT "${silo[3]}"
sleep "$pause"
end_load
if kill -0 "${silo[3]}" 2> /dev/null; then echo "silo 3 is still running"; else echo "silo 3 has ended: it found itself declared dead"; fi
grep -v "^ *at " "$scratch/silo.3.log" | cut -c1-300 | head -5 || true
end_silos 1 2 3
end_bench
