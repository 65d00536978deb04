# SPDX-License-Identifier: MIT
"""The JSON Schema, as a list of names: which ones real output has, and which it has beyond them."""
import collections
import json

from tracer import ROOT, Skip

SCHEMA = ROOT / "schema" / "tailrace-1.schema.json"


def load():
    with open(SCHEMA) as file:
        return json.load(file)


def validator(schema):
    try:
        import jsonschema
    except ImportError:
        raise Skip("needs python3-jsonschema") from None
    if not hasattr(jsonschema, "Draft202012Validator"):
        raise Skip("this python3-jsonschema does not know draft 2020-12")
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


class Coverage:
    """Walks objects beside the schema. Names are paths: response.socket.srtt_ns, report.servers[].port."""

    def __init__(self, schema):
        self.schema = schema
        self.seen = collections.Counter()
        self.known = collections.Counter()
        self.undescribed = set()

    def resolve(self, node):
        """The parts of the schema that describe this place."""
        if "$ref" in node:
            yield from self.resolve(self.schema["$defs"][node["$ref"].rpartition("/")[2]])
        for part in node.get("allOf", []) + node.get("anyOf", []):
            yield from self.resolve(part)
        yield node

    def take(self, item):
        self.walk(item, {"$ref": "#/$defs/" + item["type"]}, item["type"])

    def walk(self, value, node, path):
        self.seen[path] += 1
        if value is not None:
            self.known[path] += 1
        parts = list(self.resolve(node))
        if isinstance(value, dict):
            names = {name: inner for part in parts for name, inner in part.get("properties", {}).items()}
            for name, inner in value.items():
                if name in names:
                    self.walk(inner, names[name], path + "." + name)
                elif not any("additionalProperties" in part for part in parts) and names:
                    self.undescribed.add(path + "." + name)
        elif isinstance(value, list):
            items = next((part["items"] for part in parts if "items" in part), {})
            for inner in value:
                self.walk(inner, items, path + "[]")

    def names(self, node, path):
        """Every name that the schema has below `path`, and whether it must be there."""
        parts = list(self.resolve(node))
        required = {name for part in parts for name in part.get("required", [])}
        for part in parts:
            for name, inner in part.get("properties", {}).items():
                yield path + "." + name, name in required
                yield from self.names(inner, path + "." + name)
            if "items" in part:
                yield from self.names(part["items"], path + "[]")

    def names_of(self, kind):
        return list(self.names({"$ref": "#/$defs/" + kind}, kind))
