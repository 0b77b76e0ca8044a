#!/usr/bin/env bash
# Start a training job's script, and pass SIGTERM on to the training itself.
#
# SageMaker sends SIGTERM to the container's first process alone, two minutes before it takes a spot
# instance away or stops a job. The SDK's script passes nothing on: the training would be killed, and
# what it has learnt since the last epoch lost.
#
#     bash start.sh SCRIPT
set -u

descendants() {
  local child
  for child in $(grep -l "^PPid:[[:space:]]$1\$" /proc/[0-9]*/status 2> /dev/null | cut -d/ -f3); do
    echo "$child"
    descendants "$child"
  done
}

pass_on() {
  local pid
  echo "SIGTERM: the training writes its checkpoint"
  for pid in $(descendants $$); do
    if tr '\0' ' ' 2> /dev/null < "/proc/$pid/cmdline" | grep -q 'training/train\.py'; then
      kill -TERM "$pid" 2> /dev/null
    fi
  done
}

trap pass_on TERM
bash "$1" &
script=$!
wait "$script"
status=$?
# A signal ends the waiting, and not what was waited for.
while kill -0 "$script" 2> /dev/null; do
  wait "$script"
  status=$?
done
exit "$status"
