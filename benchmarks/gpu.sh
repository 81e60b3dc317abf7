#!/usr/bin/env bash
# Mellow's speed on a GPU, as one table, in at most 8 minutes: benchmarks/gpu.sh [--device cuda:1] [--batch 32]
# PYTHON names the interpreter that has alm-bench [default: .venv/bin/python, else python3].
set -euo pipefail
home=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$home/.venv/bin/python}
[ -n "${PYTHON:-}" ] || [ -x "$python" ] || python=python3
exec timeout --kill-after=10 480 "$python" "$home/benchmarks/gpu.py" "$@"
