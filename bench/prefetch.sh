#!/usr/bin/env bash
# What prefetching cuts of the misses of real traces, beside what was measured elsewhere, and what it costs. Writes bench/results/prefetch.md.
# Usage: bench/prefetch.sh [cut|cost|all]; the traces are in the folder LEVEE_TRACES, or in ../shared/traces beside the repository.
set -euo pipefail
cd "$(dirname "$0")/.."
export LEVEE_TRACES="${LEVEE_TRACES:-../shared/traces}"
if [ ! -d "$LEVEE_TRACES" ]; then
    echo "prefetch.sh: there are no traces in $LEVEE_TRACES; name their folder by LEVEE_TRACES."
    exit 0
fi

dotnet build bench/PrefetchBench -c Release -v quiet >&2
{
    echo "# Prefetch: misses cut, and cost"
    echo
    echo "Command: \`bench/prefetch.sh ${1:-all}\`. Levee at $(git rev-parse --short HEAD), $(date +%F). Load average when it began: $(cut -d' ' -f1 /proc/loadavg) on $(nproc) cores."
    echo
    bench/PrefetchBench/bin/Release/net10.0/PrefetchBench "${1:-all}"
} > bench/results/prefetch.md.new
mv bench/results/prefetch.md.new bench/results/prefetch.md
