#!/usr/bin/env bash
# Prefetching end to end: `levee serve` with a tier that holds all keys of a trace replays it through RESP, 16 connections in a closed loop, with --prefetch on and off in turns.
# Usage: LEVEE_TRACES=folder bench/prefetch-served.sh [rounds] [file|redis] [trace:value-bytes ...]
# A read waits when it finds nothing in memory. Values are as large as makes some 5 % of the keys fit into
# 16 MiB of memory. Medians of the rounds. Environment: REQUESTS (of each trace, from its beginning; 0: all).
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
need redis-cli redis-server
[ -n "${LEVEE_TRACES:-}" ] || { echo "skipped: LEVEE_TRACES names no folder with traces"; exit 0; }
rounds=${1:-5}
kind=${2:-file}
shift $(($# < 2 ? $# : 2))
traces=("$@")
[ ${#traces[@]} -gt 0 ] || traces=(cloudphysics-w106.txt.gz:1000 orm-busy.txt.gz:2800 P6.lis.gz:4600)
requests=${REQUESTS:-1000000}

field() { awk -F: -v name="$1" '$1 == name { print $2 + 0 }'; }

# once on|off trace bytes: prints waits, all reads, p50 and p99 in ms, CPU seconds per million, promoted, used, late, wasted.
once() {
    start_levee --memory 16mb --tier-capacity 4gb --prefetch "$1"
    # Slowly enough for the tier to take all.
    dotnet "$levee" bench --port "$port" --distribution "trace:$2" --blocks first --op set --connections 1 --pipeline 1 --duration 1s --warmup 0 --preload --value-size "$3" > /dev/null
    # What a server of this kind has run for a while is compiled.
    dotnet "$levee" bench --port "$port" --keys 5000 --op mixed --connections 16 --duration 3s --warmup 0 --value-size "$3" > /dev/null
    # That had no order, and the prefetcher may rest from it: it looks again.
    for learning in $([ "$1" = off ] || echo false true); do
        curl -sf -X PATCH -H 'content-type: application/json' -d "{\"learning\":$learning}" "http://127.0.0.1:$http/caches/default/prefetch" > /dev/null
    done
    local before waits_before promoted_before
    before=$(cpu_ticks "$pid")
    waits_before=$(redis-cli -p "$port" info levee | tr -d '\r' | field waits)
    promoted_before=$(redis-cli -p "$port" info prefetch | tr -d '\r' | field default_promoted)
    dotnet "$levee" bench --port "$port" --distribution "trace:$2" --blocks first --once --op get --connections 16 --pipeline 1 --value-size "$3" --json > "$scratch/bench.json"
    local ticks=$(($(cpu_ticks "$pid") - before))
    redis-cli -p "$port" info levee | tr -d '\r' > "$scratch/levee"
    redis-cli -p "$port" info prefetch | tr -d '\r' > "$scratch/prefetch"
    stop "$pid"
    python3 - "$scratch" "$ticks" "$(getconf CLK_TCK)" "$waits_before" "${promoted_before:-0}" <<'PYTHON'
import json, sys
scratch, ticks, hertz, waits_before, promoted_before = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4] or 0), float(sys.argv[5] or 0)
def fields(name):
    return dict(line.strip().split(":", 1) for line in open(f"{scratch}/{name}") if ":" in line)
bench, levee, prefetch = json.load(open(f"{scratch}/bench.json")), fields("levee"), fields("prefetch")
if bench["hit_ratio"] < 0.99:
    sys.exit(f"only {bench['hit_ratio']:.3f} of the reads found a value: the tier dropped what it was given before, and the run says nothing")
promoted = float(prefetch.get("default_promoted", 0)) - promoted_before
waits = float(levee["waits"]) - waits_before
print(int(waits), bench["reads"], bench["latency_ms"]["p50"], bench["latency_ms"]["p99"], ticks / hertz / bench["reads"] * 1e6, int(promoted), prefetch.get("default_used", 0), prefetch.get("default_late", 0), prefetch.get("default_wasted", 0), bench["hit_ratio"])
PYTHON
}

if [ "$kind" = redis ]; then
    start_redis --maxmemory 8gb
    tier="redis://127.0.0.1:$port/0"
else
    tier=file
fi

machine
echo "rounds: $rounds, tier: $kind, requests of each trace: $requests (0: all)"
echo "| trace | reads | waits, off | waits, on | cut | GET p50 off / on ms | GET p99 off / on ms | CPU s per million off / on | promoted | used | late | wasted |"
echo "|---|--:|--:|--:|--:|---|---|---|--:|--:|--:|--:|"
for entry in "${traces[@]}"; do
    trace=${entry%:*} bytes=${entry##*:}
    file="$LEVEE_TRACES/$trace"
    if [ "$requests" != 0 ]; then
        zcat "$LEVEE_TRACES/$trace" | head -n "$requests" > "$scratch/${trace%.gz}" || true
        file="$scratch/${trace%.gz}"
    fi

    rm -f "$scratch"/result.*
    for ((round = 0; round < rounds; round++)); do
        for k in 0 1; do
            mode=$([ $(((k + round) % 2)) = 0 ] && echo off || echo on)
            [ "$kind" = redis ] && redis-cli -u "$tier" flushall > /dev/null
            once "$mode" "$file" "$bytes" >> "$scratch/result.$mode"
        done
        echo "$trace: round $((round + 1)) of $rounds" >&2
    done

    m() { median "$2" < "$scratch/result.$1"; }
    awk -v t="$trace" -v r="$(m off 2)" -v wo="$(m off 1)" -v wn="$(m on 1)" -v po="$(m off 3)" -v pn="$(m on 3)" -v qo="$(m off 4)" -v qn="$(m on 4)" -v co="$(m off 5)" -v cn="$(m on 5)" \
        -v a="$(m on 6)" -v u="$(m on 7)" -v l="$(m on 8)" -v w="$(m on 9)" \
        'BEGIN { printf "| %s | %d | %d | %d | **%.1f %%** | %.3f / %.3f | %.3f / %.3f | %.1f / %.1f | %d | %d | %d | %d |\n", t, r, wo, wn, (1 - wn / wo) * 100, po, pn, qo, qn, co, cn, a, u, l, w }'
done
