# What lives in this folder: .venv and node_modules, each with stamps of what they were made from.
# Sourced by bin/setup.

# make_venv: a folder that was made by another interpreter, or not to the end, is made anew.
make_venv() {
    local stamp made
    stamp=$(digest "$("$python" -VV) $(realpath "$python")")
    made=.venv/.made
    if stamped $made "$stamp" && .venv/bin/python -c '' 2>/dev/null; then
        return
    fi
    say "making .venv with $python"
    "$python" -m venv --clear .venv
    printf '%s\n' "$stamp" >$made
}

install_locked() {
    local name=$1 locks=("${@:2}") stamp file arguments=()
    stamp=$(digest "$name" "${locks[@]}")
    ! stamped ".venv/.$name" "$stamp" || return 0
    say "installing Python packages: ${locks[*]}"
    for file in "${locks[@]}"; do
        arguments+=(--requirement "$file")
    done
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes "${arguments[@]}"
    printf '%s\n' "$stamp" >".venv/.$name"
}

python_environment() {
    make_venv
    if [[ $1 == test || $1 == mpc ]]; then
        install_locked test requirements.txt requirements-dev.txt
    else
        install_locked runtime requirements.txt
    fi
}

# anvil comes as one package for each kind of machine. We run no install script and trust only what the lock
# has a hash for: elsewhere `make lock` has to be run, and its outcome read, first.
check_node_lock() {
    .venv/bin/python - "$(uname -m)" <<'PYTHON'
import json
import sys

machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(sys.argv[1], sys.argv[1])
with open("package-lock.json", encoding="utf-8") as file:
    packages = json.load(file)["packages"]
if "integrity" not in packages.get(f"node_modules/@foundry-rs/anvil-linux-{machine}", {}):
    sys.exit(f"setup: package-lock.json has no hash of anvil for {machine}; run `make lock` here and review it")
PYTHON
}

node_packages() {
    local stamp
    stamp=$(digest "$(uname -m)" package.json package-lock.json)
    ! stamped node_modules/.made "$stamp" || return 0
    check_node_lock
    if ! have npm || ! have node; then
        install_locked node requirements-node.txt
        PATH=$PWD/.venv/bin:$PATH
    fi
    say "installing Node packages"
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
    printf '%s\n' "$stamp" >node_modules/.made
}

# A browser counts when it runs: Ubuntu's `chromium-browser` without snap is a message, not a browser.
find_chromium() {
    local name
    for name in ${COUNTERSIGN_CHROMIUM:-chromium chromium-browser google-chrome}; do
        ! have "$name" || ! "$name" --version >/dev/null 2>&1 || return 0
    done
    [[ -z ${COUNTERSIGN_CHROMIUM:-} ]] || fail "COUNTERSIGN_CHROMIUM: $COUNTERSIGN_CHROMIUM does not run"
    .venv/bin/python -c '
import pathlib, sys
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    sys.exit(not pathlib.Path(playwright.chromium.executable_path).exists())'
}

chromium_browser() {
    ! find_chromium || return 0
    local ID=
    [[ ! -r /etc/os-release ]] || source /etc/os-release
    if [[ $ID == ubuntu ]]; then
        # A snap there, which sees neither our folders nor a machine without systemd.
        say "installing Chromium through Playwright"
        .venv/bin/playwright install --with-deps chromium
    else
        apt_install chromium
    fi
    find_chromium || fail "Chromium was installed but does not run"
}
