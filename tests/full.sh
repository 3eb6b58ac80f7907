#!/usr/bin/env bash
# What is too heavy for `.ci/run`: takes hours, and tens of GiB of disk. At its end it says what ran, what failed, and what
# was left out for want of something.
#
#   tests/full.sh [STEP…]
#
# Steps: damage, fuzz, engines, browser, usr, packages, external; all of them when none is named.
#
#   FULL_FUZZ_SECONDS=600   for each fuzz target
#   FULL_LAB=DIRECTORY      Debian with engines, kept from run to run (see tests/lab.sh)
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
ran=() failed=() left_out=()
have() { command -v "$1" >/dev/null; }
without() { left_out+=("$1: $2"); return 77; }

# Every damage to every archive, instead of a part that is told by a seed.
damage() {
    CKPTFX_DAMAGE=all CKPTFX_TEST_BIN=$program cargo test --workspace --locked --test tests -- damage deceit
}

# Each fuzz target for a while. What breaks one goes into fuzz/kept/ (docs/reliability.md).
fuzz() {
    have cargo-fuzz || { without fuzz "cargo-fuzz is not installed"; return; }
    cargo +nightly --version >/dev/null 2>&1 || { without fuzz "there is no nightly toolchain"; return; }
    CKPTFX_SEEDS=$PWD/fuzz/corpus cargo test --workspace --locked --test tests -- fuzzing::seeds || return
    local target status=0
    for target in fuzz/fuzz_targets/*.rs; do
        cargo +nightly fuzz run "$(basename "$target" .rs)" -- -max_total_time="${FULL_FUZZ_SECONDS:-600}" || status=1
    done
    return $status
}

# Real engines: captures, reads, restores.
engines() {
    local lab=${FULL_LAB:-$scratch/lab} log=$scratch/engines.log status
    tests/lab.sh "$program" "$lab" 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    [ "$status" = 0 ] || return "$status"
    ! grep -q '^skipped: ' "$log" || without engines "$(sed -n 's/^skipped: //p' "$log" | head -n 1)"
}

# Pages in a real browser.
browser() {
    have chromium || have chromium-browser || have google-chrome || { without browser "there is no Chromium"; return; }
    CKPTFX_REQUIRE_TOOLS=1 CKPTFX_TEST_BIN=$program cargo test --workspace --locked --test tests -- chromium
}

# All of /usr as the changed files of a container: what rules and detections make of a whole system. A status of 2 or more than
# 3 is a failure, and so is a panic.
usr() {
    have zstd || { without usr "zstd is not installed"; return; }
    local evidence=$scratch/usr command status
    mkdir "$evidence"
    zstd -dcq fixtures/shop-podman.tar.zst | tar -xf - -C "$evidence" --no-same-owner || return 1
    tar -cf "$evidence/rootfs-diff.tar" --ignore-failed-read --warning=no-all -C / usr || return 1
    for command in rootfs triage "secrets --source all" "strings -n 64 --source rootfs" \
        "yara -r fixtures/rules --source rootfs"; do
        status=0
        # shellcheck disable=SC2086 # words
        "$program" $command -q -o jsonl "$evidence" >"$scratch/usr.out" 2>"$scratch/usr.err" || status=$?
        case $status in
        0 | 1 | 3) printf '%s: %s records, status %s\n' "$command" "$(wc -l <"$scratch/usr.out")" "$status" ;;
        *) tail -n 3 "$scratch/usr.err"; echo "$command: status $status" && return 1 ;;
        esac
    done
}

# Each package builds from nothing but itself and what it depends on.
packages() { cargo publish --workspace --dry-run --locked; }

# Exports, held against published schemas.
external() {
    local log=$scratch/external.log status
    CKPTFX=$program tests/external.sh 2>&1 | tee "$log"
    status=${PIPESTATUS[0]}
    [ "$status" = 0 ] || return "$status"
    ! grep -Eq '^(skipped|not installable): ' "$log" || without external "$(grep -Em 1 '^(skipped|not installable): ' "$log")"
}

steps=(damage fuzz engines browser usr packages external)
for step in "$@"; do
    [[ " ${steps[*]} " == *" $step "* ]] || { echo "there is no step $step; there are: ${steps[*]}" >&2; exit 2; }
done
[ $# = 0 ] || steps=("$@")

program=${CKPTFX:-}
if [ -z "$program" ]; then
    cargo build --release --locked || exit
    program=${CARGO_TARGET_DIR:-$PWD/target}/release/ckptfx
fi
program=$(realpath "$program")
for step in "${steps[@]}"; do
    printf '\n== %s\n' "$step"
    started=$SECONDS
    "$step"
    status=$?
    case $status in
    0) ran+=("$step ($((SECONDS - started)) s)") ;;
    # It has said why.
    77) ;;
    *) failed+=("$step") ;;
    esac
done

printf '\n== Summary\n'
for step in "${ran[@]}"; do echo "ran:      $step"; done
for step in "${left_out[@]}"; do echo "left out: $step"; done
for step in "${failed[@]}"; do echo "FAILED:   $step"; done
[ ${#failed[@]} = 0 ]
