# For other scripts to include: Python with packages of PyPI, in a place of its own below target/peers.

# Sets `python` to an interpreter in target/peers/NAME that has these packages, NAME==VERSION each. Fails, after it has
# said so, where there is no Python or the packages cannot be had.
python_with() {
    local place=target/peers/$1
    shift
    if ! command -v python3 >/dev/null || ! python3 -c 'import venv' 2>/dev/null; then
        echo "SKIPPED: ${place##*/}; it needs python3 with venv"
        return 1
    fi
    python=$PWD/$place/bin/python
    if [ "$(cat "$place/packages" 2>/dev/null)" != "$*" ]; then
        mkdir -p "$place"
        if ! { python3 -m venv "$place" &&
            "$python" -m pip install --quiet --disable-pip-version-check "$@"; } >"$place/log" 2>&1; then
            tail -n 3 "$place/log"
            echo "SKIPPED: ${place##*/}; PyPI's $* cannot be had"
            return 1
        fi
        echo "$*" >"$place/packages"
    fi
}
