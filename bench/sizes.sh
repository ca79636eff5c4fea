#!/usr/bin/env bash
# Object and byte hit ratio of every policy on the public traces that have sizes, beside another simulator's (a CSV of trace, part of the footprint, policy, object and byte hit ratio).
# Writes bench/results/sizes.md; a minute.
# Usage: [LEVEE_TRACES=folder] [HIT_RATIOS=file.csv] bench/sizes.sh
set -euo pipefail
cd "$(dirname "$0")/.."
traces=${LEVEE_TRACES:-../shared/traces}
csv=${HIT_RATIOS:-$traces/../evidence/hitratio_bytes.csv}
[ -f "$csv" ] || { echo "skipped: there is no CSV to compare with; name one in HIT_RATIOS"; exit 0; }
report=$(dotnet run -c Release --project bench/Levee.Benchmarks -- sizes "$traces" "$csv" "$(git describe --always --dirty 2> /dev/null || echo unknown)")
printf '%s\n' "$report" > bench/results/sizes.md
