# SPDX-License-Identifier: MIT
"""The daemon's description, read by those who know OpenAPI and JSON Schema, and replies held against it."""
import json
import re
import sys
import urllib.parse

from tracer import ROOT, Skip

CHECKERS = ROOT / ".build" / "openapi"  # make openapi-checker
FILES = {name: ROOT / "schema" / name for name in ("openapi.json", "tailrace-1.schema.json")}


def modules():
    if not CHECKERS.is_dir():
        raise Skip("needs openapi-spec-validator: make openapi-checker")
    if str(CHECKERS) not in sys.path:
        sys.path.insert(0, str(CHECKERS))
    for name in [name for name in sys.modules if name.partition(".")[0] in ("jsonschema", "referencing")]:
        if not str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(CHECKERS)):
            del sys.modules[name]  # Debian's is older than what the checker wants
    import openapi_schema_validator
    import openapi_spec_validator
    import referencing
    import referencing.jsonschema
    return openapi_spec_validator, openapi_schema_validator, referencing


class Description:
    """`document`: what the daemon served; `schema`: what it refers to."""

    def __init__(self, document, schema):
        self.spec, self.validators, self.referencing = modules()
        self.document = document
        self.files = {"openapi.json": document, "tailrace-1.schema.json": schema}
        resource = self.referencing.Resource.from_contents
        dialect = self.referencing.jsonschema.DRAFT202012
        # The schema names itself by its $id, and is referred to by its file: both are it.
        anonymous = {key: value for key, value in schema.items() if key != "$id"}
        self.registry = self.referencing.Registry().with_resources([
            ("file:///openapi.json", resource(document, default_specification=dialect)),
            ("file:///tailrace-1.schema.json", resource(anonymous, default_specification=dialect))])

    def check_itself(self):
        """As the file in the sources, beside which lies what it refers to."""
        self.spec.validate(self.document, base_uri=FILES["openapi.json"].as_uri())

    def check_alone(self):
        """As it is served: with nothing beside it."""
        self.spec.validate(self.document)
        outside = {reference for reference in re.findall(r'"\$ref": "([^"]*)"', json.dumps(self.document)) if reference[0] != "#"}
        assert not outside, "it refers to %s" % sorted(outside)[:3]

    def operation(self, target):
        """(path as described, its GET) of a request's target."""
        path = urllib.parse.urlsplit(target).path
        for known, item in self.document["paths"].items():
            if re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(known)), path):
                return known, item["get"]
        return None, None

    def resolved(self, node):
        while "$ref" in node:
            place = self.document
            assert node["$ref"].startswith("#/"), node["$ref"]
            for step in node["$ref"][2:].split("/"):
                place = place[step]
            node = place
        return node

    def errors(self, value, schema):
        """What is wrong with it, by a validator that shares no code with the daemon."""
        absolute = json.loads(json.dumps(schema).replace('"$ref": "#/', '"$ref": "file:///openapi.json#/')
                              .replace('"$ref": "tailrace-1', '"$ref": "file:///tailrace-1'))
        checker = self.validators.OAS31Validator(absolute, registry=self.registry)
        return ["%s: %s" % ("/".join(map(str, error.absolute_path)), error.message[:300]) for error in checker.iter_errors(value)]

    def check_value(self, what, value, schema):
        errors = self.errors(value, schema)
        assert not errors, "%s is not as described: %s" % (what, errors[:3])
        unknown = sorted(set(self.undescribed(value, [("openapi.json", schema)], "")))
        assert not unknown, "%s has names that are not described: %s" % (what, unknown)

    def parts(self, where, node):
        """The schemas that describe this place, with the file that each is in."""
        if "$ref" in node:
            name, _, pointer = node["$ref"].partition("#")
            place = self.files[name or where]
            for step in pointer.strip("/").split("/"):
                place = place[step]
            yield from self.parts(name or where, place)
        for inner in node.get("allOf", []) + node.get("anyOf", []) + node.get("oneOf", []):
            yield from self.parts(where, inner)
        if "then" in node:
            yield from self.parts(where, node["then"])
        yield where, node

    def undescribed(self, value, nodes, path):
        """Names that no schema knows: a validator lets them pass, because readers must."""
        parts = [part for where, node in nodes for part in self.parts(where, node)]
        if isinstance(value, list):
            items = [(where, node["items"]) for where, node in parts if "items" in node]
            for inner in value:
                yield from self.undescribed(inner, items, path + "[]")
        if not isinstance(value, dict) or any("additionalProperties" in node for _, node in parts):
            return
        for name, inner in value.items():
            own = [(where, node["properties"][name]) for where, node in parts if name in node.get("properties", {})]
            if own:
                yield from self.undescribed(inner, own, path + "." + name)
            elif any("properties" in node for _, node in parts):
                yield path + "." + name

    def check(self, target, reply):
        """A reply's status, type and body are described. Gives the object, where it is JSON."""
        known, operation = self.operation(target)
        assert operation, "the description has no %s" % target
        assert str(reply.status) in operation["responses"], "%s: %d is not described" % (known, reply.status)
        content = self.resolved(operation["responses"][str(reply.status)])["content"]
        assert reply.type in content, "%s: %r is not among %s" % (known, reply.type, sorted(content))
        if reply.type != "application/json":
            return None
        self.check_value(target, reply.json(), content[reply.type]["schema"])
        return reply.json()

    def examples(self):
        """(where, example, schema) of all."""
        for path, item in self.document["paths"].items():
            for status, response in item["get"]["responses"].items():
                for media, content in self.resolved(response).get("content", {}).items():
                    if "example" in content:
                        yield "%s %s %s" % (path, status, media), content["example"], content["schema"]
