#!/bin/sh
# Whole commands beside those of others, by hyperfine:
#     cargo build --release && benches/commands.sh [DIRECTORY]
# DIRECTORY is on the file system to measure (default: the temporary one). What is
# not installed (flock, sponge, git) is left out. DOTLOCK is the program to measure.
# hyperfine takes the start of the shell off. Look at the ratios: times of single runs are the machine's as much as the program's.
set -eu
dotlock=${DOTLOCK:-$(cd "$(dirname "$0")/.." && pwd)/target/release/dotlock}
[ -x "$dotlock" ] || { echo "build it first: cargo build --release" >&2; exit 1; }
command -v hyperfine >/dev/null || { echo "install hyperfine first" >&2; exit 1; }
dir=$(mktemp -d "${1:-${TMPDIR:-/tmp}}/dotlock-bench.XXXXXX")
trap 'rm -rf "$dir"' EXIT
cd "$dir"
head -c 4096 /dev/zero | tr '\0' x >in
head -c 104857600 /dev/zero | tr '\0' x >big

# compare TITLE OPTIONS... -- [NEEDS COMMAND]...
compare() {
    printf '\n== %s\n' "$1"
    shift
    options=
    while [ "$1" != -- ]; do options="$options $1"; shift; done
    shift
    words=$#
    while [ "$words" -gt 0 ]; do
        needs=$1 line=$2
        shift 2
        words=$((words - 2))
        if command -v "$needs" >/dev/null; then set -- "$@" "$line"; fi
    done
    # shellcheck disable=SC2086
    hyperfine $options "$@" 2>/dev/null
}

compare "4 KiB, not synced" --warmup 20 --runs 300 -- \
    "$dotlock" "$dotlock write --sync none f <in" \
    flock "flock f.lck sh -c 'cat >f.tmp && mv f.tmp f' <in" \
    sponge "sponge f <in" \
    git "git config -f config b.v x"
compare "4 KiB, durable" --warmup 5 --runs 50 -- \
    "$dotlock" "$dotlock write f <in" \
    flock "flock f.lck sh -c 'cat >f.tmp && sync f.tmp && mv f.tmp f && sync .' <in"
compare "a command under the lock" --warmup 20 --runs 300 -- \
    "$dotlock" "$dotlock run f -- true" \
    flock "flock f.lck true"
compare "100 MiB by a pipe, not synced" --warmup 1 --runs 10 -- \
    "$dotlock" "cat big | $dotlock write --sync none f" \
    flock "cat big | flock f.lck sh -c 'cat >f.tmp && mv f.tmp f'" \
    sponge "cat big | sponge f"
compare "100 MiB from a file, not synced" --warmup 1 --runs 10 -- \
    "$dotlock" "$dotlock write --sync none --from big f" \
    cp "cp big f"
