# shellcheck shell=bash
# Shared by the scripts in this folder: strict mode, the repository as working directory, progress and errors.
# Sourced, never run.

set -euo pipefail

repository="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cd "$repository"

# Queries are checked against the committed .sqlx unless a script says otherwise.
export SQLX_OFFLINE=true
# Rust and cargo of rustup, also where the login shell did not put them on the path.
PATH="$PATH:${CARGO_HOME:-$HOME/.cargo}/bin"

say() { printf '%s\n' "$*" >&2; }

fail() {
    printf '\nerror: %s\n' "$*" >&2
    exit 1
}

# step "what is being done" command...: says what it does, runs it, and says how long it took.
step() {
    local title=$1 started=$SECONDS
    shift
    say "==> $title"
    "$@" || fail "this step failed after $((SECONDS - started)) s: $title"
    say "    done in $((SECONDS - started)) s"
}

has() { command -v "$1" >/dev/null 2>&1; }

# version_at_least 20.19 20.20.2
version_at_least() { [[ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" == "$1" ]]; }

# fingerprint FOLDER...: one checksum over the names and contents of every source file below.
fingerprint() {
    find "$@" -type d \( -name node_modules -o -name dist -o -name test-results \) -prune \
        -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -d ' ' -f 1
}
