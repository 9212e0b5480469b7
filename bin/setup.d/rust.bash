# The threshold-signature extension (mpc/): built by Cargo with a locked set of crates, installed as a wheel, and kept
# outside of this folder, so that the next clone on this machine does not build it again. Sourced by bin/setup.

# What dkls23-core asks for, as the second number of Rust's version.
rust_minor=88

is_new_enough() { [[ $1 =~ (^|[^0-9.])1\.([0-9]+) ]] && ((BASH_REMATCH[2] >= rust_minor)); }

rust_works() { [[ -x $1 && -x $2 ]] && is_new_enough "$("$1" --version 2>/dev/null)" && "$2" --version >/dev/null 2>&1; }

# find_rust: sets rustc and cargo. PATH first, then what apt installs beside an older one (Ubuntu's rustc-1.NN).
find_rust() {
    local compiler
    while read -r compiler; do
        rustc=$compiler
        cargo=$(dirname "$compiler")/$(basename "$compiler" | sed 's/^rustc/cargo/')
        ! rust_works "$rustc" "$cargo" || return 0
    done < <(type -ap rustc || true; printf '%s\n' /usr/bin/rustc; { compgen -G '/usr/bin/rustc-1.*' || true; } | sort -rV)
    return 1
}

candidate() { apt-cache policy "$1" 2>/dev/null | sed -n 's/^ *Candidate: *//p'; }

# What apt has: Debian keeps a compiler for browsers that is newer than its own, Ubuntu one package for each version.
rust_packages() {
    local newest
    if is_new_enough "$(candidate rustc-web)"; then
        printf '%s\n' rustc-web cargo-web
        return
    fi
    newest=$(apt-cache search --names-only '^rustc-1\.[0-9]+$' 2>/dev/null | cut -d' ' -f1 | sort -V | tail -n 1)
    if is_new_enough "${newest#rustc-}"; then
        printf '%s\n' "$newest" "cargo-${newest#rustc-}"
        return
    fi
    ! is_new_enough "$(candidate rustc)" || printf '%s\n' rustc cargo
}

rust_toolchain() {
    local packages=()
    if ! find_rust && have apt-cache; then
        mapfile -t packages < <(rust_packages)
        if ((${#packages[@]} == 0 && EUID == 0)); then
            apt_update
            mapfile -t packages < <(rust_packages)
        fi
        # Never in the place of another compiler that somebody installed.
        ((${#packages[@]} == 0)) || apt_install --no-remove "${packages[@]}"
    fi
    find_rust || fail "Rust 1.$rust_minor or newer is needed, and apt has none. Run this, then try again:
    rustup toolchain install stable && rustup default stable"
    have cc || apt_install gcc libc6-dev
}

# All that the wheel is made from and for. Not the compiler: a newer one is no reason to build again.
extension_key() {
    digest "cp311-abi3 $(uname -sm) $(getconf GNU_LIBC_VERSION 2>/dev/null || echo 'another libc')" \
        mpc/Cargo.lock mpc/Cargo.toml mpc/pyproject.toml mpc/countersign_mpc.pyi mpc/py.typed mpc/src/*.rs
}

# A kept wheel counts if it is ours alone to write, and is what was written.
kept_wheel() {
    [[ -d $1 && -O $1 && -z $(find "$1" -maxdepth 1 \( -perm /022 -o -type l \)) ]] &&
        (cd "$1" && sha256sum --check --strict --status SHA256SUMS 2>/dev/null)
}

# What the lock brings has the licences that mpc/licences.json lists, which the tests judge. `write` makes the list.
crate_licences() {
    "$cargo" metadata --locked --format-version 1 --manifest-path mpc/Cargo.toml | .venv/bin/python -c '
import json, pathlib, sys
crates = [crate for crate in json.load(sys.stdin)["packages"] if crate["source"]]
found = {"{name} {version}".format(**crate): crate["license"] or "" for crate in crates}
path, text = pathlib.Path("mpc/licences.json"), json.dumps(found, indent=2, sort_keys=True) + "\n"
if sys.argv[1:] == ["write"]:
    path.write_text(text)
elif not path.is_file() or path.read_text() != text:
    sys.exit("setup: mpc/licences.json is not what cargo says of mpc/Cargo.lock")' "$@"
}

# What builds the wheel. A demonstration has none of the developers' tools: then only this one, as their lock has it.
maturin_tool() {
    local lock
    [[ ! -x .venv/bin/maturin ]] || return 0
    lock=$(mktemp)
    sed -n '/^maturin==/,/[^\\]$/p' requirements-dev.txt >"$lock"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement "$lock"
    rm -f "$lock"
}

build_extension() {
    local kept=$1 new tools
    rust_toolchain
    maturin_tool
    RUSTC=$rustc crate_licences
    say "building the threshold extension with $("$rustc" --version)"
    mkdir -p "$(dirname "$kept")"
    new=$(mktemp -d "$kept.XXXXXX")
    # maturin asks PATH for both, under their plain names.
    tools=$(mktemp -d)
    ln -s "$rustc" "$tools/rustc"
    ln -s "$cargo" "$tools/cargo"
    if ! PATH=$tools:$PATH CARGO_BUILD_JOBS=2 .venv/bin/maturin build --quiet --release --locked --jobs 2 \
        --manifest-path mpc/Cargo.toml --interpreter .venv/bin/python --out "$new" >"$tools/log" 2>&1; then
        tail -n 40 "$tools/log" >&2
        rm -rf "$new" "$tools"
        fail "the threshold extension does not build"
    fi
    (cd "$new" && chmod 600 -- *.whl && sha256sum -- *.whl >SHA256SUMS && chmod 600 SHA256SUMS)
    rm -rf "$kept" "$tools"
    # Another clone may have been faster; then its wheel is as good.
    mv -T "$new" "$kept" 2>/dev/null || rm -rf "$new"
}

threshold_extension() {
    local key kept
    key=$(LC_ALL=C extension_key)
    if stamped .venv/.mpc "$key" && .venv/bin/python -c 'import countersign_mpc' 2>/dev/null; then
        return
    fi
    kept=${XDG_CACHE_HOME:-${HOME:-$PWD/var}/.cache}/countersign/mpc-$key
    kept_wheel "$kept" || build_extension "$kept"
    kept_wheel "$kept" || fail "the kept wheel in $kept is not what was built"
    say "installing the threshold extension"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-index --no-deps --force-reinstall \
        "$kept"/*.whl
    printf '%s\n' "$key" >.venv/.mpc
}
