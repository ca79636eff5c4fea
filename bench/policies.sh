#!/usr/bin/env bash
# The hit ratios of every policy on public traces, cell by cell beside those that others' simulators were found to agree with (a CSV of trace,size,policy,hit_ratio).
# Writes bench/results/policies.md. Takes an hour or so for all traces.
# Usage: [LEVEE_TRACES=folder] [HIT_RATIOS=file.csv] bench/policies.sh [trace ...]
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
traces=${LEVEE_TRACES:-../shared/traces}
csv=${HIT_RATIOS:-$traces/../evidence/hitratio.csv}
[ -f "$csv" ] || { echo "skipped: there is no CSV to compare with; name one in HIT_RATIOS"; exit 0; }
[ -n "${levee:-}" ] || { dotnet build src/Levee.Cli -c Release -v q --nologo > /dev/null; levee=$(dotnet msbuild src/Levee.Cli -p:Configuration=Release -getProperty:TargetPath); }

# Policy, its column in the CSV ("-": none, shown alone), and the difference in points beyond which a cell is listed.
known="arc:ARC:0.3 lru:LRU:0.3 s3-fifo:S3-FIFO:0.3 w-tinylfu:W-TinyLFU-HC:0.5 lirs:LIRS:0.3 gdsf:-:0"
help=$(dotnet "$levee" replay --help)
policies=()
for each in $known; do
    case "$help" in *" ${each%%:*},"*) policies+=("$each") ;; esac
done

wanted=("$@")
[ $# -gt 0 ] || wanted=(lirs-cpp lirs-cs lirs-gli lirs-ps lirs-multi1 lirs-multi2 lirs-2_pools web07 adaptsize-cdn cloudphysics-io arc-OLTP orm-busy cloudphysics-w106 arc-P3 arc-P6)
: > "$scratch/cells"

# sizes TRACE COLUMN: the sizes of a trace for which there is something to compare; of a policy without a column those of S3-FIFO.
sizes() { awk -F, -v t="$1" -v p="${2/#-/S3-FIFO}" '$1 == t && $3 == p { print $2 }' "$csv" | sort -n | paste -sd,; }

report() {
    awk -F, -v list="${policies[*]}" -v version="$(git describe --always --dirty 2> /dev/null || echo unknown)" -v csv="$csv" '
        BEGIN { n = split(list, each, " "); for (i = 1; i <= n; i++) { split(each[i], part, ":"); name[i] = part[1]; column[i] = part[2]; tolerance[i] = part[3] } }
        FILENAME == csv { given[$1, $2, $3] = 100 * $4; next }
        { cell = $1 SUBSEP $2; if (!(cell in seen)) { seen[cell] = 1; order[++rows] = cell }; ours[$1, $2, $3] = 100 * $4 }
        END {
            print "# Hit ratios beside others\x27 simulations\n"
            print "Command: `bench/policies.sh`. Levee at " version ". Object hit ratio in percent, cold start, every entry weighs 1: ours / theirs / difference. Theirs: a simulator that"
            print "agrees with the ARC paper\x27s tables, with libCacheSim (LRU, S3-FIFO, LIRS) and, to about half a point, with Caffeine\x27s charts (W-TinyLFU with hill climbing). `gdsf` has no counterpart there. What differs and why:"
            print "[levee replay](../../docs/replay-and-bench.md).\n"
            print "| policy | cells | mean difference | mean without sign | largest | outside |"
            print "|---|--:|--:|--:|--:|---|"
            for (i = 1; i <= n; i++) {
                cells = 0; sum = 0; all = 0; most = 0; out = ""
                for (r = 1; r <= rows; r++) {
                    split(order[r], at, SUBSEP); key = at[1] SUBSEP at[2] SUBSEP
                    if (!((key name[i]) in ours) || !((key column[i]) in given)) continue
                    d = ours[key name[i]] - given[key column[i]]; a = d < 0 ? -d : d; cells++; sum += d; all += a
                    if (a > (most < 0 ? -most : most)) most = d
                    if (a > tolerance[i]) out = out (out == "" ? "" : ", ") at[1] " " at[2] sprintf(" (%+.2f)", d)
                }
                if (cells) printf "| %s | %d | %+.3f | %.3f | %+.2f | %s |\n", name[i], cells, sum / cells, all / cells, most, out == "" ? "none beyond " tolerance[i] : "beyond " tolerance[i] ": " out
            }
            printf "\n| trace | entries |"; for (i = 1; i <= n; i++) printf " %s |", name[i]
            printf "\n|---|--:|"; for (i = 1; i <= n; i++) printf "---|"
            for (r = 1; r <= rows; r++) {
                split(order[r], at, SUBSEP); key = at[1] SUBSEP at[2] SUBSEP; printf "\n| %s | %s |", at[1], at[2]
                for (i = 1; i <= n; i++) {
                    if (!((key name[i]) in ours)) printf " |"
                    else if ((key column[i]) in given) printf " %.2f / %.2f / %+.2f |", ours[key name[i]], given[key column[i]], ours[key name[i]] - given[key column[i]]
                    else printf " %.2f |", ours[key name[i]]
                }
            }
            print ""
        }' "$csv" "$scratch/cells" > "$scratch/report"
    cp "$scratch/report" bench/results/policies.md
}

for trace in "${wanted[@]}"; do
    file=$(find "$traces" -name "${trace#arc-}.*" | head -1)
    [ -n "$file" ] || { echo "skipped: there is no trace $trace in $traces"; continue; }
    for each in "${policies[@]}"; do
        IFS=: read -r policy column _ <<< "$each"
        capacities=$(sizes "$trace" "$column")
        [ -n "$capacities" ] || continue
        dotnet "$levee" replay "$file" --policy "$policy" --entries "$capacities" --json \
            | awk -F'[:,]' -v t="$trace" -v p="$policy" '/"capacity"/ { c = $2 + 0 } /"requests"/ { r = $2 } /"hits"/ { printf "%s,%d,%s,%.8f\n", t, c, p, $2 / r }' >> "$scratch/cells"
    done
    # A trace's rows by capacity; the traces stay in their order.
    awk -F, -v t="$trace" '$1 != t' "$scratch/cells" > "$scratch/sorted"
    awk -F, -v t="$trace" '$1 == t' "$scratch/cells" | sort -t, -s -k2,2n >> "$scratch/sorted"
    mv "$scratch/sorted" "$scratch/cells"
    report
    echo "$trace done"
done
