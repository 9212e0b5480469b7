# What the parts of bin/setup share. Sourced, not run.

say() { printf 'setup: %s\n' "$*"; }

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# The hash of some files and words: a stamp that holds it says that these very inputs are installed.
digest() { { printf '%s\n' "$1" && cat "${@:2}"; } | sha256sum | cut -d' ' -f1; }

stamped() { [[ -f $1 && $(<"$1") == "$2" ]]; }

# How apt-get runs here: as root, or through sudo, which may ask a person who is there for a password.
apt_get() {
    local command=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 -qq "$@")
    if ((EUID == 0)); then
        "${command[@]}" </dev/null
    else
        sudo "${command[@]}"
    fi
}

apt_install() {
    have apt-get || fail "there is no apt-get here: install what corresponds to: $*"
    if ((EUID != 0)) && ! { have sudo && { [[ -t 0 ]] || sudo -n true 2>/dev/null; }; }; then
        fail "system packages are missing. Run this as root, then try again:
    apt-get update && apt-get install -y --no-install-recommends $*"
    fi
    say "installing system packages: $*"
    apt_update
    apt_get install -y --no-install-recommends "$@" >/dev/null
}

# Once for each run. It does not wait for the lock of the package lists, as `install` does for its own, so we do.
apt_update() {
    [[ -z ${apt_updated:-} ]] || return 0
    local try
    for try in 1 2 3 4 5 6; do
        if apt_get update; then
            apt_updated=yes
            return
        fi
        say "apt-get update failed (try $try of 6)"
        sleep 10
    done
    fail "apt-get update keeps failing"
}
