"""The JSON Schema and the reference page are what the models say today."""

from __future__ import annotations

import json
import re

import pytest

from booking import policies
from ntplab.scenario import reference
from ntplab.units import DURATION_PATTERN


def test_the_committed_schema_is_current() -> None:
    assert reference.SCHEMA_PATH.read_text() == reference.json_schema()


def test_the_committed_reference_is_current() -> None:
    assert reference.REFERENCE_PATH.read_text() == reference.reference()


def test_every_key_is_described() -> None:
    for model in (*reference.TITLES, *reference.FAULTS):
        for key, field in model.model_fields.items():
            tag = key in ("kind", "pattern") or (key == "name" and "Literal" in str(field))
            assert field.description or tag, f"{model.__name__}.{key}"


def test_every_link_of_the_reference_leads_to_a_section() -> None:
    text = reference.reference()
    sections = {t.lower().replace(" ", "-") for t in re.findall(r"^## (.*)$", text, re.MULTILINE)}
    links = set(re.findall(r"\]\(#([^)]*)\)", text))
    assert links
    assert links <= sections


def test_the_schema_knows_a_policy_by_name_alone() -> None:
    schema = json.loads(reference.json_schema())
    (names,) = [one["enum"] for one in schema["properties"]["policy"]["anyOf"] if "enum" in one]
    assert names == sorted(policies.names())


def test_the_schema_forbids_unknown_keys_everywhere() -> None:
    schema = json.loads(reference.json_schema())
    objects = [schema, *schema["$defs"].values()]
    assert all(item["additionalProperties"] is False for item in objects)


@pytest.mark.parametrize(("text", "fits"), [("5s", True), ("-1.5ms", True), ("5", False)])
def test_the_schema_s_durations_are_the_parser_s(text: str, fits: bool) -> None:
    assert bool(re.match(DURATION_PATTERN, text)) is fits
