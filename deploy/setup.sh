#!/usr/bin/env bash
# Sets up a checkout: a virtual environment from the hashed requirements, our packages, git and bubblewrap.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

find_python() {
  local candidate
  for candidate in python3.11 python3.12 python3.13 python3; do
    if command -v "$candidate" >/dev/null 2>&1 \
      && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"; return
    fi
  done
  fail "Python 3.11 or newer is needed, and none is on the PATH. On Debian: apt-get install python3 python3-venv"
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then sudo -n "$@"; else return 1; fi
}

install_system_package() {
  command -v apt-get >/dev/null 2>&1 || return 1
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >/dev/null 2>&1 && return
  as_root apt-get update -qq >/dev/null 2>&1 || return 1
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >/dev/null
}

make_environment() {
  local python=$1
  [ -x .venv/bin/python ] && return
  if ! "$python" -m venv .venv 2>/dev/null; then
    rm -rf .venv
    install_system_package python3-venv && "$python" -m venv .venv \
      || fail "this Python cannot make a virtual environment. On Debian: apt-get install python3-venv"
  fi
}

install_python_packages() {
  # uv installs from the same hashed file as pip would, several times faster.
  awk '/^uv==/ {found = 1; print; next} found && /^ +--hash/ {print; next} found {exit}' \
    requirements.txt > .venv/uv.txt
  .venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r .venv/uv.txt
  # Compiled once here: a sandbox is read-only, and would compile at every start of an agent.
  VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv pip install -q --compile-bytecode --require-hashes -r requirements.txt
  VIRTUAL_ENV="$PWD/.venv" .venv/bin/uv pip install -q --no-deps --no-build-isolation \
    -e shared -e services/orchestrator -e services/agent-runner -e services/notifier -e services/cli
}

make_environment "$(find_python)"
install_python_packages
for package in prometheus prometheus-alertmanager; do
  # For `penstock up --observe` and the tests of rules and dashboards; nothing else needs them.
  command -v "$package" >/dev/null 2>&1 || install_system_package "$package" \
    || printf 'setup: %s is not installed and could not be (Debian: apt-get install %s)\n' "$package" "$package" >&2
done
command -v git >/dev/null 2>&1 || install_system_package git \
  || printf 'setup: git is not installed and could not be: agents that work on Git trees, as those of the pack software-delivery, will fail (Debian: apt-get install git)\n' >&2
command -v bwrap >/dev/null 2>&1 || install_system_package bubblewrap \
  || printf 'setup: bubblewrap is not installed and could not be: agents will not run until it is (Debian: apt-get install bubblewrap)\n' >&2
