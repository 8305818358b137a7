#!/usr/bin/env bash
# The wheel in an environment of its own for each Python that is supported: base install, no extras, and the fast tests
# that need none. An interpreter that is not installed is reported as not run.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export PIP_DISABLE_PIP_VERSION_CHECK=1
.venv/bin/python -m build --wheel --outdir "$work/wheel" . >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
cp -r tests benchmarks examples pyproject.toml "$work"  # without src: the wheel is what is tested
status=0
for version in 3.11 3.12 3.13; do
  if ! "python$version" -c "" >/dev/null 2>&1; then
    echo "Python $version: not run (python$version is not installed)"
    continue
  fi
  "python$version" -m venv "$work/$version"
  "$work/$version/bin/pip" install --quiet --constraint constraints.txt "$work"/wheel/*.whl \
    pytest pytest-timeout pytest-xdist hypothesis
  if (cd "$work" && OMP_NUM_THREADS=1 "$work/$version/bin/python" -m pytest -q --ignore tests/test_docs.py -p no:cacheprovider -n 2 --dist loadgroup \
    --no-loadscope-reorder -m 'not (train or browser or cluster or network or corpus or slow)'); then
    echo "Python $version: passed"
  else
    echo "Python $version: FAILED"
    status=1
  fi
done
exit $status
