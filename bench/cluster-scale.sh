#!/usr/bin/env bash
# 1, 2, 3 and 4 silos on one machine under the same load: how many operations travel, in how many batches, what a silo and a partition take, and how long a joining silo takes until it has its share.
# Usage: bench/cluster-scale.sh [seconds of load for each row]     RATE, KEYS, MEMORY, PARTITIONS: see cluster-lib.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
. bench/cluster-lib.sh
seconds=${1:-20}
build_cluster

# of_cluster N: operations answered, operations sent to another silo, and the batches they went in, since the silos began.
of_cluster() { for name in levee_requests_total levee_cluster_sent_operations_total levee_cluster_batches_total; do metric_all "$name" $(seq "$1"); done | tr '\n' ' '; }

echo "| silos | balanced after s | requests/s | p50 ms | p99 ms | operations that travel | operations per batch | messages per request | resident MiB per silo | levee memory MiB per silo | held KiB per partition |" > "$scratch/table"
echo "|---|---|---|---|---|---|---|---|---|---|---|" >> "$scratch/table"
for count in 1 2 3 4; do
    balanced=-
    if [ "$count" = 1 ]; then
        start_silos 1
    else
        start_load "$(servers $(seq $((count - 1))))"
        sleep 5
        event "silo $count joins"
        begin_silo "$count"
        ready "$count"
        balanced=$(until_balanced $(seq "$count"))
        sleep 5
        end_load
    fi
    # Every silo has clients: of n silos, a request meets its partition in one of n.
    start_load "$(servers $(seq "$count"))"
    before=$(of_cluster "$count")
    sleep "$seconds"
    after=$(of_cluster "$count")
    end_load
    read -r answers p50 p99 < <(awk -F'[:,]' '/"answers_per_second"/ && !a { a = $2 } /"p50"/ && !b { b = $2 } /"p99_ms"/ { c = $2 } END { printf "%d %.2f %.2f\n", a, b, c }' "$scratch/load.json")
    read -r requests operations batches < <(awk -v b="$before" -v a="$after" 'BEGIN { split(b, x); split(a, y); print y[1] - x[1], y[2] - x[2], y[3] - x[3] }')
    rss=$(for n in $(seq "$count"); do resident_kib "${silo[n]}"; done | awk '{ s += $1 } END { printf "%d", s / NR / 1024 }')
    bytes=$(metric_all levee_memory_bytes $(seq "$count"))
    held=$(metric_all levee_held_bytes $(seq "$count"))
    awk -v c="$count" -v g="$balanced" -v a="$answers" -v p="$p50" -v q="$p99" -v r="$requests" -v o="$operations" -v b="$batches" -v s="$rss" -v m="$bytes" -v h="$held" -v n="$partitions" 'BEGIN {
        printf "| %d | %s | %d | %.2f | %.2f | %.0f %% | %s | %.3f | %d | %d | %d |\n", c, g, a, p, q, 100 * o / r, b ? sprintf("%.1f", o / b) : "-", 2 * b / r, s, m / c / 1048576, h / n / 1024 }' >> "$scratch/table"
done
cat "$scratch/table"
end_silos 1 2 3 4
end_bench
