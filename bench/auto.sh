#!/usr/bin/env bash
# What "auto" makes of traces beside its candidates: hit ratios cell by cell, what it chose, what it cost. Writes a table to standard output.
# Usage: bench/auto.sh folder-of-traces hitratio.csv|tenths [trace | trace:size,size,... ...]
#   hitratio.csv: the capacities of each trace, as lines trace,size,...; tenths: 0.1, 1, 5, 10 and 20 % of each trace's keys.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 2 ] || { sed -n 2,4p "$0" >&2; exit 2; }
[ -d "$1" ] || { echo "skipped: there is no folder $1"; exit 0; }
dotnet build bench/AutoBench -c Release -v q --nologo > /dev/null
exec dotnet bench/AutoBench/bin/Release/net10.0/AutoBench.dll "$@"
