#!/usr/bin/env bash
# Attacks that cost a client little: thousands of connections that announce, half-send, name and ask for much and read nothing, against a server of 64 MB that is full. Beside each, an honest client
# writes and reads: 100 bytes mostly, every tenth time 200 KB. For each attack, a fresh server: its greatest resident set beside the bound
# (base + budget + 10 % + 1 MiB for each 100 connections), the honest client's refusals, and its p99 under attack beside quiet.
# Usage: bench/hostile.sh [attack ...]     CONNECTIONS=10000 (the most; fewer where an attack needs fewer, or ulimit -n leaves fewer)   SECONDS_EACH=10   MEMORY_MB=64
# The attackers run at nice 19: they share the machine's cores with the server, and what is asked here is what the server does.
set -euo pipefail
cd "$(dirname "$0")/.."
. bench/lib.sh
need python3
ulimit -n "$(ulimit -Hn)"
most=${CONNECTIONS:-10000}
seconds=${SECONDS_EACH:-10}
memory=${MEMORY_MB:-64}
files=$(ulimit -n)
[ "$files" = unlimited ] || [ $((files - 1000)) -gt "$most" ] || most=$((files - 1000))
client="python3 bench/hostile.py"

rss() { awk '/^VmRSS/ { printf "%d", $2 / 1024 }' "/proc/$1/status" 2> /dev/null || echo 0; }
high() { awk '/^VmHWM/ { printf "%d", $2 / 1024 }' "/proc/$1/status" 2> /dev/null || echo 0; }

echo "| attack | connections | base, MiB | peak, MiB | bound, MiB | honest: operations | refused | wrong | p99 small, ms: quiet, attacked | p99 200 KB, ms: quiet, attacked | longest, ms | |"
echo "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|"
$client names | while read -r name needed needs_password; do
    if [ $# -gt 0 ] && [[ " $* " != *" $name "* ]]; then continue; fi
    count=$((needed < most ? needed : most))
    password=""
    start_levee --memory "${memory}mb" --max-connections 10100 --log-level Error
    base=$(rss "$pid")
    if [ "$needs_password" = 1 ]; then
        stop "$pid"
        password=secret
        LEVEE_PASSWORD=$password start_levee --memory "${memory}mb" --max-connections 10100 --log-level Error
        base=$(rss "$pid")
    else
        $client prepare "$port"
    fi
    read -r _ _ _ small large _ < <($client honest "$port" 4 "$password")
    $client attack "$name" "$port" "$http" "$count" $((seconds * 3)) > "$scratch/ready" &
    attacker=$!
    started+=("$attacker")
    read -r operations refused wrong small_attacked large_attacked longest < <($client honest "$port" "$seconds" "$password" 2> "$scratch/honest" || echo 0 1 0 0 0 0)
    peak=$(high "$pid")
    bound=$((base + memory + memory / 10 + count / 100))
    verdict=""
    kill -0 "$pid" 2> /dev/null || verdict="the server has ended"
    [ "$peak" -le "$bound" ] || verdict="$verdict above the bound"
    [ "$refused" = 0 ] || verdict="$verdict refused $(tail -1 "$scratch/honest")"
    awk "BEGIN { exit !($small_attacked > 3 * $small || $large_attacked > 3 * $large) }" && verdict="$verdict p99"
    echo "| $name: $($client what "$name") | $count | $base | $peak | $bound | $operations | $refused | $wrong | $small, $small_attacked | $large, $large_attacked | $longest | ${verdict:-held} |"
    stop "$attacker"
    stop "$pid"
done
