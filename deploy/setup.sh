# Sets up .venv for the scripts beside it; sourced, never run. POSIX sh.
#
#   prepare FILE   creates .venv, installs the packages of deploy/FILE and adds the project to its path. Does nothing
#                  if that is already done: a stamp file contains the checksum of FILE and the path of this folder.
#
# Sets ROOT (the project's folder) and PYTHON (the interpreter of .venv).

ROOT=$(CDPATH='' cd -- "$(dirname -- "$SELF")/.." && pwd -P)
VENV=$ROOT/.venv
PYTHON=$VENV/bin/python
OLDEST="3.11"

say() { printf '%s\n' "$*" >&2; }

fail() {
    say "$@"
    exit 1
}

is_recent() { # whether this interpreter exists and is new enough
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

find_python() {
    for candidate in ${TAGGER_PYTHON:-} python3 python3.11 python3.12 python3.13 python3.14 python; do
        if is_recent "$candidate"; then
            command -v "$candidate"
            return 0
        fi
    done
    return 1
}

make_venv() {
    if [ -n "$UV" ]; then
        rm -rf "$VENV"
        "$UV" venv --quiet --python ">=$OLDEST" "$VENV" || fail "uv could not make $VENV: see its message above."
        return
    fi
    base=$(find_python) || fail "Python $OLDEST or later is needed, and was not found on PATH" \
        "($(python3 --version 2>/dev/null || echo 'there is no python3'))." \
        "Install it (https://www.python.org/downloads/), or install uv (https://docs.astral.sh/uv/), which brings its own."
    "$base" -c 'import venv, ensurepip' >/dev/null 2>&1 || fail "$base has no venv module." \
        "On Debian and Ubuntu: apt install python3-venv. Or install uv (https://docs.astral.sh/uv/), which needs no such module."
    rm -rf "$VENV"
    "$base" -m venv "$VENV" || fail "$base could not make $VENV: see its message above."
}

install_packages() {
    if [ -n "$UV" ]; then
        "$UV" pip install --quiet --python "$PYTHON" --require-hashes -r "$1"
    else
        "$PYTHON" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$1"
    fi || fail "The packages of $1 could not be installed: see the message above. Run the command again."
}

put_on_path() { # a .pth file instead of an installation: needs no network and no build
    "$PYTHON" - "$ROOT" <<'EOF'
import pathlib, sys, sysconfig
pathlib.Path(sysconfig.get_path("purelib"), "haravan_tagger.pth").write_text(sys.argv[1] + "\n", encoding="utf-8")
EOF
}

prepare() {
    wanted=$ROOT/deploy/$1
    stamp=$VENV/.prepared-$1
    UV=$(command -v uv 2>/dev/null || true)
    mark="$(cksum <"$wanted") $ROOT"
    if [ -x "$PYTHON" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$mark" ]; then
        return 0
    fi
    say "Setting up $VENV (once; about a minute) ..."
    is_recent "$PYTHON" || make_venv
    install_packages "$wanted"
    put_on_path
    printf '%s\n' "$mark" >"$stamp"
}
