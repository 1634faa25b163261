#!/usr/bin/env bash
# Starts a cluster of three processes on this machine, for development: an api, a worker and a
# scheduler, on the PostgreSQL and the Redis that you name:
#
#   export DATABASE_URL=postgres://powerflow:secret@localhost/powerflow REDIS_URL=redis://localhost
#   host/deploy/cluster.sh [FOLDER]
#
# FOLDER (default: powerflow-cluster) holds the key, a data directory and a log for each process.
# PORT (default: 8080) is the API's; the worker's health is on the next port, the scheduler's on
# the one after it. PORT=0 takes free ones. POWERFLOW names the program (default: powerflow).
# Other settings of all three come from the environment, as everywhere. Ctrl-C or SIGTERM ends all
# three in order; when one of them ends by itself, the others follow.
set -euo pipefail

: "${DATABASE_URL:?names the PostgreSQL database, as postgres://user:password@host/database}"
: "${REDIS_URL:?names the Redis server, as redis://host:6379}"
powerflow=${POWERFLOW:-powerflow}
port=${PORT:-8080}
mkdir -p "${1:-powerflow-cluster}"
folder=$(cd "${1:-powerflow-cluster}" && pwd)
# All processes need the same key, or they could not read each other's secrets.
export DATABASE_URL REDIS_URL POWERFLOW_DATA_KEY_FILE="${POWERFLOW_DATA_KEY_FILE:-$folder/key}"

pids=()
end() {
  trap - INT TERM EXIT
  # Each finishes what it has begun, for at most server.drain_timeout.
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" || true; done
}
trap 'end; exit 0' INT TERM
trap end EXIT

# start ROLE SETTING NUMBER: starts a process and waits until it says that it is ready.
start() {
  local role=$1 listen=$2 at=0 log=$folder/$1.log
  [ "$port" = 0 ] || at=$((port + $3))
  "$powerflow" "$role" --set "$listen=127.0.0.1:$at" --set "data.directory=$folder/$role" \
    >"$log" 2>&1 &
  local pid=$!
  pids+=("$pid")
  until grep -q '^PowerFlow ' "$log"; do
    if ! kill -0 "$pid" 2>/dev/null; then
      echo "powerflow $role ended; $log says:" >&2
      tail -n 20 "$log" >&2
      exit 1
    fi
    sleep 0.1
  done
  grep '^The administrator is ' "$log" || true
  printf '%-10s process %-7s %s\n' "$role" "$pid" "$(sed -n 's/^PowerFlow .*\(http:\)/\1/p' "$log" | tail -n 1)"
}

# The first one makes the key, the tables and the administrator's account.
start api server.listen 0
start worker server.health_listen 1
start scheduler server.health_listen 2
echo "logs       $folder/*.log"
echo "Ctrl-C ends the cluster."

wait -n "${pids[@]}" || true
echo "a process has ended, so the others do; see $folder/*.log" >&2
exit 1
