#!/usr/bin/env bash
# Measures ckptfx beside its peers and prints the result as Markdown. docs/performance.md tells what the rows mean.
#
#   tests/bench.sh [WORK_DIRECTORY]
#
# The work directory takes the inputs (about 6 GiB with the default size) and is used again when they are there;
# without one, a temporary directory is made and removed. Put it on a disk and not in tmpfs.
# All commands run once per round, one after the other, so that what else the machine does falls on all of them alike;
# of each, the fastest round counts. Everything is read from the page cache.
#
#   BENCH_SIZE=2GiB       memory in the large checkpoint
#   BENCH_ROUNDS=7        rounds
#   BENCH_SLOW_ROUNDS=2   rounds of what takes many seconds
#   CKPTFX=FILE           binaries to use instead of building them
#   TESTKIT=FILE
#   CHECKPOINTCTL="CMD"   how to run checkpointctl, words split at spaces; default: the one in PATH
#
# Compressed inputs are stored decompressed in an unlinked file in TMPDIR: room for BENCH_SIZE is needed there.
# A peer that is not installed is skipped, with a line that says so. ckptfx failing ends the run.
set -euo pipefail
export LC_ALL=C
# EPOCHREALTIME has been there since bash 5.
if ((BASH_VERSINFO[0] < 5)); then echo "bash 5 is needed" >&2; exit 2; fi

size=${BENCH_SIZE:-2GiB}
rounds=${BENCH_ROUNDS:-7}
slow_rounds=${BENCH_SLOW_ROUNDS:-2}
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if (($# > 0)); then
    work=$1
    mkdir -p "$work"
else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
fi

say() { printf '%s\n' "$*" >&2; }
have() { command -v "$1" >/dev/null; }

# ---- programs and inputs

target=${CARGO_TARGET_DIR:-$repository/target}
if [[ -z ${CKPTFX:-} || -z ${TESTKIT:-} ]]; then
    cargo build --quiet --release --manifest-path "$repository/Cargo.toml" -p ckptfx-cli -p ckptfx-testkit
fi
ckptfx=${CKPTFX:-$target/release/ckptfx}
testkit=${TESTKIT:-$target/release/ckptfx-testkit}

needle=ckptfx-needle-5d1e0c
small=$work/small.tar
large=$work/large-$size.tar
literals=$work/literals.txt

# make FILE COMMAND: FILE from the standard output of COMMAND, or nothing.
make() {
    [[ -s $1 ]] && return
    say "making ${1##*/}"
    "${@:2}" >"$1.part"
    mv "$1.part" "$1"
}
# The kit writes a file itself.
kit() {
    [[ -s $2 ]] && return
    say "making ${2##*/}"
    "$testkit" large --size "$1" --processes 8 --needle "$needle" --out "$2.part" >/dev/null
    mv "$2.part" "$2"
}
kit 4MiB "$small"
kit "$size" "$large"
have zstd && make "$large.zst" zstd -q -3 -T0 -c "$large"
if have pigz; then make "$large.gz" pigz -6 -c "$large"; else make "$large.gz" gzip -6 -c "$large"; fi
# Fifty words that are not in the memory, but for the needle.
for i in {1..49}; do printf 'absent-%x-token\n' $((i * 2654435761 % 4294967296)); done >"$literals"
echo "$needle" >>"$literals"
rules=$repository/fixtures/rules
pages=$work/pages-$size
if have yara && [[ ! -d $pages ]]; then
    say "making ${pages##*/}"
    mkdir "$pages.part"
    tar -xf "$large" -C "$pages.part" --wildcards 'checkpoint/pages-*.img'
    mv "$pages.part" "$pages"
fi
cat "$small" "$large" "$large".* >/dev/null

read -ra checkpointctl <<<"${CHECKPOINTCTL:-checkpointctl}"
have "${checkpointctl[0]}" || { checkpointctl=(); say "skipped: checkpointctl is not installed (set CHECKPOINTCTL)"; }
for peer in rg grep strings zstd gzip yara; do have "$peer" || say "skipped: $peer is not installed"; done

# ---- what is run

keys=()
declare -A command slow best
# add KEY COMMAND…: skipped when its program is not there. add_slow: as add, for fewer rounds.
add() {
    have "$2" || return 0
    keys+=("$1")
    command[$1]=$(printf '%q ' "${@:2}")
}
add_slow() { add "$@"; slow[$1]=1; }

with_literal='ckptfx-needle-[0-9a-f]{6}'
without_literal='[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}'
add read            dd if="$large" of=/dev/null bs=256k status=none
add ps-small        "$ckptfx" ps "$small"
add ps-large        "$ckptfx" ps "$large"
add literal         "$ckptfx" grep-mem -c "$needle" "$large"
add rg-literal      rg --no-config -a -c -F "$needle" "$large"
add literal-out     "$ckptfx" grep-mem "$needle" "$large"
add rg-literal-out  rg --no-config -a -o -b -F "$needle" "$large"
add grep-literal    grep -a -c -F "$needle" "$large"
add pid             "$ckptfx" grep-mem --pid 10 "$needle" "$large"
add nocase          "$ckptfx" grep-mem -c -i "$needle" "$large"
add rg-nocase       rg --no-config --no-unicode -a -c -i -F "$needle" "$large"
add regex           "$ckptfx" grep-mem -c -E "$with_literal" "$large"
add rg-regex        rg --no-config --no-unicode -a -c "$with_literal" "$large"
add bare            "$ckptfx" grep-mem -c -E "$without_literal" "$large"
add rg-bare         rg --no-config --no-unicode -a -c "$without_literal" "$large"
add many            "$ckptfx" grep-mem -c -f "$literals" "$large"
add rg-many         rg --no-config -a -c -F -f "$literals" "$large"
# Every string is printed, to /dev/null; then it is only counted.
add_slow strings    "$ckptfx" strings "$large"
add strings-count   "$ckptfx" strings -c "$large"
add_slow strings-gnu strings -a "$large"
add_slow secrets    "$ckptfx" secrets "$large"
add_slow secrets-1  "$ckptfx" --threads 1 secrets "$large"
add_slow triage     "$ckptfx" triage "$large"
add_slow triage-yara "$ckptfx" triage --yara "$rules" "$large"
add triage-small    "$ckptfx" triage "$repository/fixtures/shop-crio.tar.zst"
# The same rules, over the pages without processes; two of the rules ask for the name of a file.
if [[ -d $pages ]]; then
    cat "$pages"/checkpoint/* >/dev/null
    add_slow yara       "$ckptfx" yara -c -r "$rules" "$large"
    add_slow yara-peer  yara -w -c -r -d filename= "$rules"/*.yar "$pages"
    add yara-start      "$ckptfx" yara -c -r "$rules" "$small"
fi
if [[ -s $large.zst ]]; then
    add zstd        zstd -q -dc "$large.zst"
    add store       dd if="$large" of="$work/copy" bs=256k status=none
    add zst-cold    "$ckptfx" grep-mem -c "$needle" "$large.zst"
    add zst-warm    "$ckptfx" grep-mem -c "$needle" "$large.zst"
fi
add_slow gzip       gzip -dc "$large.gz"
add_slow gz         "$ckptfx" grep-mem -c "$needle" "$large.gz"
if ((${#checkpointctl[@]})); then
    add_slow tree     "${checkpointctl[@]}" inspect --ps-tree-cmd "$large"
    add_slow memparse "${checkpointctl[@]}" memparse --search "$needle" --pid 10 "$large"
fi

# What stores much is sensitive to what ran just before it: a virtual machine may give free memory back to its host after
# about two seconds, and then each page has to be fetched anew. So its state is set before each such run and not left to the
# order of rows: cold is after five idle seconds, warm is right after as much memory was written and freed.
prepare() {
    case $1 in
        store | gz | zst-cold) sleep 5 ;;
        zst-warm) cat "$large" >"$work/copy"; rm "$work/copy" ;;
    esac
}

# ---- the runs

# Both must find the same before it matters how fast.
found=$("$ckptfx" grep-mem -o jsonl "$needle" "$large" | grep -c '"bytes_b64"')
if have rg; then
    expected=$(rg --no-config -a -o -F "$needle" "$large" | wc -l)
    ((found == expected)) || { say "ckptfx found $found matches and rg $expected"; exit 1; }
fi

load=$(cut -d' ' -f1 /proc/loadavg)
for ((round = 1; round <= rounds; round++)); do
    say "round $round of $rounds"
    for key in "${keys[@]}"; do
        ((round > slow_rounds)) && [[ -n ${slow[$key]:-} ]] && continue
        prepare "$key"
        status=0
        begun=${EPOCHREALTIME/./}
        # Not to /dev/null: grep stops at the first match then. Only what is a mere limit goes there.
        case $key in read | zstd | gzip | strings | strings-gnu) output=/dev/null ;; *) output=$work/stdout ;; esac
        eval "${command[$key]}" >"$output" 2>"$work/stderr" || status=$?
        took=$((${EPOCHREALTIME/./} - begun))
        rm -f "$work/copy"
        # Rules that match nothing are no failure.
        [[ $key == yara* ]] && ((status == 1)) && status=0
        if ((status != 0)); then say "${command[$key]}: exit status $status"; cat "$work/stderr" >&2; exit 1; fi
        if [[ -z ${best[$key]:-} ]] || ((took < best[$key])); then best[$key]=$took; fi
    done
done

# Highest RssAnon + RssShmem (KiB) seen while a command runs: all memory but pages of mapped files.
peak() {
    local status line kib high=0
    "$@" >/dev/null 2>&1 &
    local pid=$!
    while mapfile -t status 2>/dev/null </proc/$pid/status && ((${#status[@]})) && [[ ${status[2]} != *Z* ]]; do
        kib=0
        for line in "${status[@]}"; do
            [[ $line =~ ^(RssAnon|RssShmem):[[:space:]]*([0-9]+) ]] && kib=$((kib + BASH_REMATCH[2]))
        done
        ((kib > high)) && high=$kib
    done
    # Rules that match nothing are no failure.
    wait "$pid" || (($? == 1))
    echo "$high"
}

# ---- the report

seconds() { awk -v us="$1" 'BEGIN { printf us < 1e5 ? "%.1f ms" : "%.2f s", us < 1e5 ? us / 1e3 : us / 1e6 }'; }
# row WHAT KEY PEER PEER_KEY [LIMIT]: LIMIT is the ratio to stay under.
row() {
    local ours=${best[$2]:-} theirs=${best[$4]:-}
    [[ -n $ours && -n $theirs ]] || return 0
    awk -v what="$1" -v peer="$3" -v ours="$(seconds "$ours")" -v theirs="$(seconds "$theirs")" \
        -v ratio="$(awk "BEGIN { print $ours / $theirs }")" -v limit="${5:-}" 'BEGIN {
        verdict = limit == "" ? "" : sprintf("≤ %s: %s", limit, ratio <= limit ? "met" : "**missed**")
        printf "| %s | %s | %s | %s | %.*f | %s |\n", what, ours, peer, theirs, ratio < 0.1 ? 4 : 2, ratio, verdict
    }'
}
sum() { [[ -n ${best[$2]:-} && -n ${best[$3]:-} ]] && best[$1]=$((best[$2] + best[$3])) || true; }
sum zstd+literal zstd literal
sum gzip+literal gzip literal
best[secrets-limit]=$(($(stat -c %s "$large") * 2 / 3 * 1000000 / 1073741824))
best[small-limit]=300000
best[ps-small+10]=$((best[ps-small] + 10000))

version() { "$@" --version 2>/dev/null | head -n 1 || true; }
echo "- machine: $(nproc) cores ($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)), $(awk '/^MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo), Linux $(uname -r), temporary files on $(stat -f -c %T "${TMPDIR:-/tmp}")"
echo "- load average when the run began: $load, so much of the machine was taken by others"
echo "- inputs: $size of memory in 8 processes; $(stat -c %s "$large") bytes plain, $( [[ -s $large.zst ]] && stat -c %s "$large.zst" || echo no) zstd, $(stat -c %s "$large.gz") gzip; $found matches of the literal"
echo "- best of $rounds rounds, of $slow_rounds for what takes many seconds"
for peer in rg grep strings zstd gzip yara; do have "$peer" && echo "- $(version "$peer")"; done
echo
echo "| what | ckptfx | compared with | its time | ratio | target |"
echo "|---|---:|---|---:|---:|---|"
row "ps" ps-large "ps of a 4 MiB checkpoint, plus 10 ms" ps-small+10 1
row "ps" ps-large "checkpointctl inspect --ps-tree-cmd" tree 0.01
row "grep-mem -c, literal" literal "read() of the file" read 1.25
row "grep-mem -c, literal" literal "rg -a -c -F" rg-literal 0.77
row "grep-mem, literal" literal-out "rg -a -o -b -F" rg-literal-out 0.77
row "grep-mem -c, literal" literal "grep -a -c -F" grep-literal
row "grep-mem --pid, literal" pid "checkpointctl memparse --search, one process" memparse 0.01
row "grep-mem -c -i, literal" nocase "rg -a -c -i -F" rg-nocase 0.5
row "grep-mem -c -f, 50 literals" many "rg -a -c -F -f" rg-many 0.5
row "grep-mem -c -E, with a literal in it" regex "rg -a -c" rg-regex
row "grep-mem -c -E, without (IPv4)" bare "rg -a -c" rg-bare
row "strings, all printed" strings "strings -a" strings-gnu 0.125
row "strings -c" strings-count "strings -a" strings-gnu 0.04
row "secrets, one thread" secrets-1 "as much at 1.5 GiB/s" secrets-limit 1
row "secrets" secrets "read() of the file" read
row "triage" triage "grep-mem -c, literal" literal 10
row "triage --yara, the rules of fixtures/rules" triage-yara "grep-mem -c, literal" literal
row "triage of a small .tar.zst" triage-small "0.3 s" small-limit 1
row "yara -c, the rules of fixtures/rules" yara "yara -c -r of the raw pages" yara-peer 0.2
row "yara -c, the rules of fixtures/rules" yara "the same of a 4 MiB checkpoint" yara-start
row "grep-mem -c of .tar.zst, cold" zst-cold "zstd -dc, plus the plain tar" zstd+literal 1.15
row "grep-mem -c of .tar.zst, warm" zst-warm "zstd -dc, plus the plain tar" zstd+literal 1.15
row "grep-mem -c of .tar.zst, cold" zst-cold "read() of the tar and write() to a new file, cold" store
row "grep-mem -c of .tar.gz" gz "gzip -dc, plus the plain tar" gzip+literal 1.15
echo
echo "| peak memory outside mapped files | MiB | target |"
echo "|---|---:|---|"
for what in "ps:$large" "grep-mem:$large" "strings:$large" "secrets:$large" "triage:$large" "yara:$large" "grep-mem:$large.zst" "grep-mem:$large.gz"; do
    file=${what#*:}
    [[ -s $file ]] || continue
    arguments=("${what%%:*}")
    [[ ${arguments[0]} == grep-mem ]] && arguments+=("$needle")
    [[ ${arguments[0]} == yara ]] && arguments+=(-r "$rules")
    name=${file##*/}
    peak "$ckptfx" "${arguments[@]}" "$file" | awk -v what="${arguments[0]} of .${name#*.}" \
        '{ printf "| %s | %.0f | < 200: %s |\n", what, $1 / 1024, $1 < 204800 ? "met" : "**missed**" }'
done
