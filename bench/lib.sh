# What the benchmarks share. Sourced, not run; the caller has set -euo pipefail and stands in the repository.
# Servers listen on loopback, on free ports; only processes started here are ended, by their pid.

scratch=$(mktemp -d)
started=()
trap 'for pid in "${started[@]}"; do kill "$pid" 2> /dev/null || true; done; wait; rm -rf "$scratch"' EXIT

need() {
    for program in "$@"; do
        command -v "$program" > /dev/null || { echo "skipped: $program is not installed (Debian: redis-server, redis-tools)"; exit 0; }
    done
}

# start_redis [arguments]: sets port and pid. Redis is given a port and does not pick one: try until one is free.
start_redis() {
    for port in $(shuf -i 20000-30000 -n 20); do
        ${on_core:-} redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$scratch" "$@" > /dev/null &
        pid=$!
        for _ in $(seq 50); do redis-cli -p "$port" ping > /dev/null 2>&1 && break; kill -0 $pid 2> /dev/null || break; sleep 0.1; done
        if kill -0 $pid 2> /dev/null; then started+=("$pid"); return; fi
    done
    echo "no port for redis-server" >&2
    exit 1
}

# built VARIABLE PROJECT: builds it and names its program.
built() {
    local variable=$1
    shift
    dotnet build "$@" -c Release -v q --nologo > "$scratch/build" || { cat "$scratch/build" >&2; exit 1; }
    printf -v "$variable" %s "$(dotnet msbuild "$@" -p:Configuration=Release -getProperty:TargetPath)"
}

# start_program NAME command...: starts a server with the options of all, sets port, http and pid. Without tiers, unless $tier says otherwise; their state in a folder of its own, or in $data.
start_program() {
    local out="$scratch/$1.$RANDOM"
    shift
    ${on_core:-} "$@" --resp-port 0 --http-port 0 --tier "${tier:-none}" --data-dir "${data:-$out.data}" > "$out" &
    pid=$!
    started+=("$pid")
    for _ in $(seq 200); do grep -q 'RESP on' "$out" && break; sleep 0.1; done
    port=$(sed -n 's/.*RESP on [^:]*:\([0-9]*\),.*/\1/p' "$out")
    http=$(sed -n 's/.*HTTP on http:\/\/[^:]*:\([0-9]*\).*/\1/p' "$out")
    [ -n "$port" ] || { cat "$out" >&2; echo "the server did not start" >&2; exit 1; }
}

# start_levee [options]: a lone silo.
start_levee() {
    [ -n "${levee:-}" ] || built levee src/Levee.Cli
    start_program levee dotnet "$levee" serve --silo-port 0 --gateway-port 0 "$@"
}

stop() { kill "$1" 2> /dev/null || true; wait "$1" 2> /dev/null || true; }

cpu_ticks() { awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"; }

resident_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }

# median COLUMN: of the numbers on standard input.
median() { cut -d' ' -f"$1" | sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

machine() { echo "cores: $(nproc), load of the machine (clients included): $(cut -d' ' -f1-3 /proc/loadavg), $(redis-server --version | cut -d' ' -f1-3), .NET $(dotnet --list-runtimes | awk '/NETCore.App/ { v = $2 } END { print v }')"; }
