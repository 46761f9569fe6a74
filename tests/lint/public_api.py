#!/usr/bin/env python3
"""Lists the public API of the framework's crates, so that a change to it is seen in review.

    tests/lint/public_api.py            # writes framework/{campanile,stanza}/public-api.txt
    tests/lint/public_api.py --check    # prints a diff and fails if a list is out of date

A line is the kind and the path of an item; `use` lines are second paths of items listed elsewhere;
`foreign` lines are the types of other crates that appear in signatures. The documentation's JSON
is an unstable format, which RUSTC_BOOTSTRAP makes available on a stable toolchain.
"""

import difflib
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CRATES = {"campanile": "framework/campanile", "campanile-stanza": "framework/stanza"}
STD = {"std", "core", "alloc", "proc_macro"}
# Fields and variants belong to their type and are not counted.
PARTS = {"field", "variant", "use", "foreign"}
# Names of kinds in the JSON, where they differ from Rust's.
KINDS = {"function": "fn", "module": "mod", "struct_field": "field", "type_alias": "type",
         "assoc_type": "type", "assoc_const": "const", "constant": "const", "proc_derive": "derive"}


def documentation(crate):
    """Builds the documentation of a crate and returns it."""
    metadata = subprocess.run(["cargo", "metadata", "--no-deps", "--format-version", "1"],
                              cwd=ROOT, check=True, capture_output=True)
    target = Path(json.loads(metadata.stdout)["target_directory"]) / "docs-rs"
    target.mkdir(parents=True, exist_ok=True)
    # Only rustdoc may see RUSTC_BOOTSTRAP: build scripts would choose other code, and every
    # dependency would be built again.
    rustdoc = target / "rustdoc"
    rustdoc.write_text('#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc "$@"\n')
    rustdoc.chmod(0o755)
    command = ["cargo", "rustdoc", "--quiet", "-p", crate, "--all-features", "--lib",
               "--target-dir", str(target), "--",
               "-Z", "unstable-options", "--output-format", "json", "--cap-lints", "allow"]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "RUSTDOC": str(rustdoc)})
    return json.loads((target / "doc" / f"{crate.replace('-', '_')}.json").read_text())


class Listing:
    """The public items that are reachable from the root of one crate."""

    def __init__(self, documentation):
        self.index = documentation["index"]
        self.paths = documentation["paths"]
        self.crates = documentation["external_crates"]
        self.seen = set()
        self.lines = set()
        root = self.index[str(documentation["root"])]
        self.walk(root, root["name"])

    def item(self, identifier):
        return self.index.get(str(identifier))

    def walk(self, item, path):
        """Lists an item under its path, and what it contains."""
        kind, inner = next(iter(item["inner"].items()))
        self.seen.add(item["id"])
        if kind == "module" and item["name"] == "guide":
            return  # Text only.
        self.lines.add(f"{KINDS.get(kind, kind)} {path}")
        if kind == "module":
            # A second path of an item, by `use`, comes after the item itself.
            children = [child for child in map(self.item, inner["items"]) if child]
            children.sort(key=lambda child: ("use" in child["inner"], "module" not in child["inner"]))
            for child in children:
                if "use" in child["inner"]:
                    self.use(child["inner"]["use"], path)
                else:
                    self.walk(child, f"{path}::{child['name']}")
            return
        self.foreign({name: value for name, value in inner.items() if name != "impls"}
                     if isinstance(inner, dict) else inner)
        for identifier in contents(kind, inner):
            child = self.item(identifier)
            if child and (child["visibility"] in ("public", "default")):
                self.walk(child, f"{path}::{child['name']}")
        for identifier in inner.get("impls", []) if isinstance(inner, dict) else []:
            implementation = self.item(identifier)
            if implementation and implementation["inner"]["impl"]["trait"] is None:
                self.methods(implementation["inner"]["impl"], path)

    def methods(self, implementation, path):
        self.foreign(implementation["generics"])
        for child in map(self.item, implementation["items"]):
            if child and child["visibility"] == "public":
                self.walk(child, f"{path}::{child['name']}")

    def use(self, use, path):
        """Lists a re-export: the item, if this is its only path, otherwise one line."""
        target = self.item(use["id"]) if use["id"] is not None else None
        if target and target["id"] not in self.seen and not use["is_glob"]:
            self.walk(target, f"{path}::{use['name']}")
        elif not (target and target["inner"].get("module") is None and "proc_derive" in target["inner"]):
            name = "*" if use["is_glob"] else use["name"]
            self.lines.add(f"use {path}::{name} = {use['source']}")

    def foreign(self, value):
        """Lists the types of other crates in a signature."""
        if isinstance(value, list):
            for part in value:
                self.foreign(part)
        elif isinstance(value, dict):
            for name, part in value.items():
                if name in ("resolved_path", "trait") and isinstance(part, dict):
                    self.foreign_path(part.get("id"))
                self.foreign(part)

    def foreign_path(self, identifier):
        found = self.paths.get(str(identifier))
        if found and found["crate_id"] != 0 and found["path"][0] not in STD:
            self.lines.add(f"foreign {'::'.join(found['path'])}")


def contents(kind, inner):
    """Returns the ids of fields, variants and items of a trait."""
    if kind == "trait":
        return inner["items"]
    if kind == "enum":
        return inner["variants"]
    shape = inner.get("kind") if kind in ("struct", "variant") else None
    if not isinstance(shape, dict):
        return []
    fields = next(iter(shape.values()))
    fields = fields["fields"] if isinstance(fields, dict) else fields
    return [field for field in fields if field is not None]


def order(line):
    """Sorts items by path, and the foreign types after them."""
    kind, path = line.split(" ", 1)
    return kind == "foreign", path, kind


def main():
    check = "--check" in sys.argv[1:]
    outdated = False
    for crate, folder in CRATES.items():
        lines = sorted(Listing(documentation(crate)).lines, key=order)
        counted = sum(line.split(" ", 1)[0] not in PARTS for line in lines)
        page = ROOT / folder / "public-api.txt"
        if not check:
            page.write_text("\n".join(lines) + "\n")
            print(f"{crate}: {counted} items, {len(lines)} lines")
            continue
        listed = page.read_text().splitlines() if page.exists() else []
        name = str(page.relative_to(ROOT))
        changes = list(difflib.unified_diff(listed, lines, name, "actual API", lineterm="", n=0))
        outdated |= bool(changes)
        print("\n".join(changes) if changes else f"{name}: up to date, {counted} items")
    if outdated:
        sys.exit("the public API has changed; if that is intended: tests/lint/public_api.py")


if __name__ == "__main__":
    main()
