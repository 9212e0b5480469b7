# What only the system can provide. Commands are tested for, not package names. Sourced by bin/setup.

has_postgresql() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || have initdb; }

# Web tier, signer and courier run under accounts of their own. An interpreter that only root can execute (one
# that pyenv keeps under /root, say) would lock them out.
usable_python() {
    local try=("$1")
    ((EUID != 0)) || try=(runuser -u nobody -- "$1")
    (cd / && "${try[@]}" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))') 2>/dev/null
}

find_python() {
    local name file
    for name in python3.12 python3.11 python3; do
        # Every one on PATH, not only the first: the first may be the one that is no use.
        for file in $(type -ap "$name") "/usr/bin/$name"; do
            if [[ -x $file ]] && usable_python "$file"; then
                printf '%s\n' "$file"
                return
            fi
        done
    done
    return 1
}

system_packages() {
    local missing=()
    python=$(find_python) || missing+=(python3 python3-venv)
    if [[ -n ${python:-} ]] && ! "$python" -c 'import ensurepip' 2>/dev/null; then
        local version
        version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
        missing+=("$version-venv")
    fi
    have softhsm2-util || missing+=(softhsm2)
    if [[ $1 == full || $1 == test ]]; then
        has_postgresql || missing+=(postgresql)
        have redis-server || missing+=(redis-server)
    fi
    ((${#missing[@]} == 0)) || apt_install "${missing[@]}"
    python=$(find_python) || fail "Python 3.11 or 3.12 that every account can execute is needed"
}
