"""What a model takes, held against what the contract's own schemas say of the same body."""

from __future__ import annotations

import math
import timeit
from functools import cache
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import UNSET
from openapi import contract
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from novita_async.catalog import Model, Rule, Schema, Size, load
from novita_async.catalog.check import check, with_defaults
from novita_async.catalog.rules import broken
from novita_async.media.bodies import lay_out

CATALOG = load()
SCHEMAS = {name: contract(name).document for name in ("image", "video", "audio")}

T2V = {"prompt": "a boat"}
SPEECH = {"text": "hello", "voice_setting": {"voice_id": "Wise_Woman"}}
PICTURE = {
    "model_name": "a.safetensors",
    "prompt": "a lighthouse",
    "width": 128,
    "height": 128,
    "image_num": 1,
    "steps": 20,
    "guidance_scale": 7.5,
    "sampler_name": "Euler a",
}


def problems(model: str, **params: Any) -> list[str]:
    return check(CATALOG[model], params)


# ----------------------------------------------------------------------------------- the contract as judge


def judged(node: Any) -> Any:
    """A schema of the contract, its references absolute, and without what the check does not hold to: enums that the
    platform adds to, and lengths beyond which it cuts."""
    if isinstance(node, list):
        return [judged(each) for each in node]
    if not isinstance(node, dict):
        return node
    left_out = set()
    if node.get("x-novita-open-enum") or node.get("x-open-enum") or "list grows" in str(node.get("x-note", "")):
        left_out.add("enum")
    if node.get("x-overflow") == "truncate":
        left_out.add("maxLength")
    return {
        name: f"urn:contract{each}" if name == "$ref" else judged(each)
        for name, each in node.items()
        if name not in left_out
    }


@cache
def judge(model_id: str) -> jsonschema.Draft202012Validator:
    """What the contract says of a model's body."""
    model = CATALOG[model_id]
    # The video specification says more of the model that the image specification has as well.
    name = next(name for name in ("video", "audio", "image") if model.path in SCHEMAS[name]["paths"])
    content = SCHEMAS[name]["paths"][model.path]["post"]["requestBody"]["content"]
    return jsonschema.Draft202012Validator(judged(content["application/json"]["schema"]), registry=registry(name))


@cache
def registry(name: str) -> Registry[Any]:
    return Registry().with_resource(
        "urn:contract", Resource.from_contents(judged(SCHEMAS[name]), default_specification=DRAFT202012)
    )


def ranged(schema: Schema) -> st.SearchStrategy[Any]:
    """Numbers in, at and just beyond a range."""
    ends = [
        end
        for end in (schema.minimum, schema.maximum, schema.exclusive_minimum, schema.exclusive_maximum)
        if end is not None
    ]
    low, high = (min(ends), max(ends)) if ends else (-3, 100)
    near = [number for end in (low, high) for number in (end - 1, end, end + 1, end + 0.5)]
    whole = [int(number) for number in near if number == int(number)]
    inside = st.integers(math.ceil(low), max(math.ceil(low), math.floor(high)))
    if "integer" in kinds(schema):
        return inside | st.sampled_from(whole)
    return inside | st.sampled_from(near) | st.floats(low, max(low, high))


def kinds(schema: Schema) -> tuple[str, ...]:
    return (schema.type,) if isinstance(schema.type, str) else schema.type


def texts(schema: Schema) -> st.SearchStrategy[str]:
    if schema.size is not None:
        side = st.sampled_from([128, 256, 512, 1024, 1920, 2048, 4096])
        mark = schema.size.separator
        return st.builds(lambda w, h: f"{w}{mark}{h}", side, side) | st.sampled_from(["2K", "1024", ""])
    ends = [end for end in (schema.min_length, schema.max_length) if end is not None]
    lengths = [length for end in ends for length in (end - 1, end, end + 1) if length >= 0]
    long = [st.sampled_from([length * "x" for length in lengths])] if lengths else []
    return st.one_of(st.sampled_from(["a", "a lighthouse", "https://files.test/a.png", ""]), *long)


JUNK = st.sampled_from([None, True, 0, -1, 1.5, 10**6, "", "junk", [], ["junk"], {}, {"junk": 1}])


def likely(schema: Schema) -> st.SearchStrategy[Any]:
    """Values that a schema mostly allows: valid ones, those at its edges, and now and then anything."""
    if schema.any_of:
        return st.one_of([likely(each) for each in schema.any_of])
    found: list[st.SearchStrategy[Any]] = []
    if schema.enum:
        found.append(st.sampled_from([*4 * schema.enum, "no-such-value", 99]))
    for kind in () if schema.enum else kinds(schema):
        match kind:
            case "integer" | "number":
                found.append(ranged(schema))
            case "string":
                found.append(texts(schema))
            case "boolean":
                found.append(st.booleans())
            case "array":
                least, most = schema.min_items or 0, schema.max_items or 2
                count = {"min_size": max(0, least - 1), "max_size": min(most, 4) + 1}
                found.append(st.lists(likely(schema.items) if schema.items else JUNK, **count))
            case "object":
                found.append(objects(schema))
            case _:
                found.append(st.none())
    return st.integers(0, 19).flatmap(lambda dice: JUNK if dice == 0 or not found else st.one_of(found))


def objects(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with what they must have, mostly, and some of the rest."""

    @st.composite
    def drawn(draw: st.DrawFn) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for name, each in schema.properties.items():
            dice = draw(st.integers(0, 9))
            if dice < (9 if name in schema.required else 3):
                made[name] = draw(likely(each))
        return made

    return drawn()


def test_what_is_let_through_is_what_the_contract_allows_and_little_else_is_refused():
    seen = {"let through": 0, "refused by both": 0}

    @given(st.sampled_from(list(CATALOG.values())), st.data())
    @settings(max_examples=250, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    def compare(model: Model, data: st.DataObject) -> None:
        params = data.draw(objects(model.params))
        found = check(model, params)
        errors = list(judge(model.id).iter_errors(lay_out(model, with_defaults(model, params))))
        if not found:
            seen["let through"] += 1
            assert not errors, f"{model.id} {params}: {errors[0].message}"
        elif errors:
            seen["refused by both"] += 1
        else:
            rules = set(broken(model, params))
            for problem in found:
                assert problem in rules or any(words in problem for words in WORDS), f"{model.id} {params}: {problem}"

    compare()
    assert min(seen.values()) > 50, seen


#: What is refused although the contract's schemas allow it: what they say in words, and what no endpoint has.
WORDS = (
    "there is no such parameter",  # the schemas leave objects open
    "is not a URL",  # a format, which is a note for JSON Schema
    "pixels, at ",  # sizes: the sides, the pixels, the ratio
    "a side of ",
    "sides of a ratio",
    "both sides must be",
    ": empty",  # a file
)


@pytest.mark.parametrize("model", CATALOG.values(), ids=CATALOG)
def test_every_model_wants_what_the_contract_wants(model: Model):
    found = check(model, {})
    errors = list(judge(model.id).iter_errors(lay_out(model, with_defaults(model, {}))))
    assert bool(errors) == bool(set(found) - set(broken(model, {})))


# --------------------------------------------------------------------------------------- what is said


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"promt": "x"}, "promt: there is no such parameter; did you mean prompt?"),
        ({"zzz": 1}, "zzz: there is no such parameter; there are "),
        ({"width": "128"}, "width: a whole number is wanted, not '128'"),
        ({"width": True}, "width: a whole number is wanted, not True"),
        ({"steps": 20.5}, "steps: a whole number is wanted, not 20.5"),
        ({"height": 2049}, "height: 2049 is more than 2048"),
        ({"guidance_scale": float("nan")}, "guidance_scale: not a number"),
        ({"prompt": "x" * 1025}, "prompt: 1025 characters, at most 1024"),
        ({"prompt": ""}, "prompt: empty"),
        ({"sampler_name": "euler"}, "sampler_name: 'euler' is none of 'Euler a', "),
        ({"loras": [{"model_name": "a", "strength": 2}]}, "loras[0].strength: 2 is more than 1"),
        ({"loras": [{"name": "a", "strength": 1}]}, "loras[0].name: there is no such parameter"),
        ({"loras": [{"model_name": "a", "strength": 1}] * 6}, "loras: 6 items, at most 5"),
        ({"loras": {"model_name": "a"}}, "loras: a list is wanted, not {"),
        ({"extra": {"webhook": {"url": "nowhere"}}}, "extra.webhook.url: 'nowhere' is not a URL"),
        ({"extra": {"response_image_type": "bmp"}}, "extra.response_image_type: 'bmp' is none of 'png', "),
        ({"loras": b"x" * 10**6}, "loras: a list is wanted, not 1000000 bytes"),
    ],
)
def test_a_problem_names_the_parameter_and_what_is_wrong_with_it(params: dict[str, Any], problem: str):
    assert [each for each in problems("txt2img", **PICTURE | params) if each.startswith(problem)]


def test_everything_that_is_wrong_is_found_at_once():
    found = problems("txt2img", prompt="", width=1, heigth=128)
    assert [each.partition(":")[0] for each in found] == [
        "heigth", "model_name", "height", "image_num", "steps", "guidance_scale", "sampler_name", "prompt", "width",
    ]  # fmt: skip


def test_values_that_the_platform_adds_to_and_texts_that_it_cuts_are_not_wrong():
    opened = next(
        (model, name) for model in CATALOG.values() for name, each in model.params.properties.items() if each.open
    )
    cut = next(
        (model, name) for model in CATALOG.values() for name, each in model.params.properties.items() if each.truncates
    )
    for (model, name), value in ((opened, "something new"), (cut, "x" * 100_000)):
        assert not [each for each in check(model, {name: value}) if each.startswith(f"{name}:")]


@pytest.mark.parametrize(
    ("model", "size", "problem"),
    [
        ("seedream-4.5", "1024x1024", "size: 1048576 pixels, at least 3686400"),
        ("seedream-4.0", "8000x400", "size: sides of a ratio over 16"),
        ("z-image-turbo", "128*512", "size: a side of 128, at least 256"),
        ("z-image-turbo", "512*2048", "size: a side of 2048, at most 1536"),
        ("glm-image", "1030x1024", "size: both sides must be multiples of 32"),
        ("wan2.6-t2v", "1281*720", "size: '1281*720' is none of '1280*720', "),
        ("z-image-turbo", "large", "size: 'large' is not width*height"),
        ("z-image-turbo", (1, 2, 3), "size: (width, height) is wanted, not (1, 2, 3)"),
    ],
)
def test_a_size_is_held_against_its_limits(model: str, size: Any, problem: str):
    assert [each for each in problems(model, prompt="x", size=size) if each.startswith(problem)]


def test_a_file_is_a_text_or_what_json_does_not_have():
    assert problems("flux-2-dev", prompt="x", images=["https://files.test/a.png", object()]) == []
    assert problems("flux-2-dev", prompt="x", images=[5, None]) == [
        "images[0]: a file is wanted, not 5",
        "images[1]: a file is wanted, not None",
    ]


# ------------------------------------------------------------------------------------------- the rules


@pytest.mark.parametrize(
    ("model", "params", "problem"),
    [
        (
            "txt2img",
            {**PICTURE, "enable_transparent_background": True, "extra": {"response_image_type": "webp"}},
            "extra.response_image_type: 'webp' is not possible when enable_transparent_background is True, only png",
        ),
        ("wan-2.2-t2v", {**T2V, "size": "1920*1080", "duration": 8}, "duration: 8 is not possible when size is "),
        ("wan-t2v", {**T2V, "width": 480, "height": 720}, "width and height: 480 with 720 is not possible; "),
        (
            "minimax-speech-02-hd",
            {"text": "x", "voice_setting": {}},
            "voice_setting.voice_id or timbre_weights: one of them is needed",
        ),
        (
            "minimax-speech-02-hd",
            {**SPEECH, "stream": True, "audio_setting": {"format": "wav"}},
            "audio_setting.format: 'wav' is not possible when stream is True",
        ),
        ("minimax-hailuo-02", {"prompt": "x", "duration": 10, "resolution": "1080P"}, "resolution: '1080P' is not "),
    ],
)
def test_a_broken_rule_is_said_in_words(model: str, params: dict[str, Any], problem: str):
    assert [each for each in problems(model, **params) if each.startswith(problem)], problems(model, **params)


def model_with(*rules: Rule, **properties: Schema) -> Model:
    return Model(
        id="made-up",
        title="",
        product="images",
        family="",
        task="",
        path="/",
        kind="sync",
        status="current",
        output="images",
        params=Schema(type="object", properties=properties),
        rules=rules,
    )


ANY = Schema(type=("string", "integer", "array", "boolean"))
EVERY_RULE = [
    (Rule("mutually-exclusive", fields=("a", "b")), {"a": 1}, {"a": 1, "b": 1}, "a and b: only one of them at a time"),
    (Rule("at-least-one", fields=("a", "b")), {"b": 1}, {"c": 1}, "a or b: one of them is needed"),
    (Rule("requires", field="a", fields=("b", "c")), {"b": 1}, {"a": 1, "b": 1}, "a: needs b, c"),
    (Rule("required-when", field="a", when={"b": 1}), {"b": 2}, {"b": 1}, "a: needed when b is 1"),
    (
        Rule("enum-when", field="a", values=(1, 2), when={"b": [1, 3]}),
        {"a": 2, "b": 3},
        {"a": 3, "b": 3},
        "a: 3 is not possible when b is 1 or 3, only 1 or 2",
    ),
    (Rule("only-when", field="a", when={"b": "x"}), {"a": 1, "b": "x"}, {"a": 1}, "a: only when b is x"),
    (Rule("forbidden-when", field="a", when={"b": "x"}), {"a": 1}, {"a": 1, "b": "x"}, "a: not when b is x"),
    (
        Rule("allowed-pairs", fields=("a", "b"), pairs=((1, 2), (3, 4))),
        {"a": 3, "b": 4},
        {"a": 1, "b": 4},
        "a and b: 1 with 4 is not possible; 1 with 2, 3 with 4 are",
    ),
    (
        Rule("max-sum", field="a[].n", value=5),
        {"a": [{"n": 2}, {"n": 3}]},
        {"a": [{"n": 2}, {"n": 4}]},
        "a[].n: 6 together, at most 5",
    ),
    (
        Rule("max-count", field="a[]", where={"k": "x"}, value=1),
        {"a": [{"k": "x"}, {"k": "y"}]},
        {"a": [{"k": "x"}, {"k": "x"}]},
        "a[]: 2 with k 'x', at most 1",
    ),
]


@pytest.mark.parametrize(("rule", "kept", "broken", "problem"), EVERY_RULE, ids=[each[0].rule for each in EVERY_RULE])
def test_each_kind_of_rule_is_held_to(rule: Rule, kept: dict[str, Any], broken: dict[str, Any], problem: str):
    model = model_with(rule, a=ANY, b=ANY, c=ANY)
    assert check(model, kept) == []
    assert check(model, broken) == [problem]


def test_a_rule_goes_by_the_default_of_what_is_not_given():
    rules = (
        Rule("default-when", field="b", value="y", when={"c": 1}),
        Rule("forbidden-when", field="a", when={"b": "x"}),
    )
    model = model_with(*rules, a=ANY, b=Schema(type="string", default="x"), c=ANY)
    assert check(model, {"a": 1}) == ["a: not when b is x"]
    assert check(model, {"a": 1, "c": 1}) == []


def test_rules_that_are_for_people_refuse_nothing():
    known = {each[0].rule for each in EVERY_RULE}
    spoken = {rule.rule for model in CATALOG.values() for rule in model.rules} - known
    assert spoken <= {"default-when", "ignored-when", "media-duration-max-when", "note"}


# ------------------------------------------------------------------------------------------- the rest


def test_what_must_be_sent_although_it_has_a_default_is_filled_in_at_every_depth():
    params = {**PICTURE, "extra": {"webhook": {"url": "https://a.test", "test_mode": {"return_task_status": "x"}}}}
    filled = with_defaults(CATALOG["txt2img"], params)
    assert filled["extra"]["webhook"]["test_mode"] == {"return_task_status": "x", "enabled": False}
    assert "enabled" not in params["extra"]["webhook"]["test_mode"]
    units = with_defaults(CATALOG["img2img"], {"controlnet": {"units": [{"model_name": "a"}]}})["controlnet"]["units"]
    assert units == [{"model_name": "a", "strength": 1}]


def test_what_must_be_sent_and_has_a_default_is_sent_when_it_is_not_given():
    filled = 0
    for model in CATALOG.values():
        known = model.params.properties
        defaults = {name: known[name].default for name in model.params.required if known[name].default is not UNSET}
        assert with_defaults(model, {}) == defaults
        assert with_defaults(model, dict.fromkeys(defaults, "mine")) == dict.fromkeys(defaults, "mine")
        filled += len(defaults)
    assert filled


def test_a_size_without_a_limit_is_any():
    model = model_with(size=Schema(type="string", size=Size("x")))
    assert check(model, {"size": "1x99999"}) == []


def test_a_usual_call_is_checked_within_100_microseconds():
    model = CATALOG["txt2img"]
    assert check(model, PICTURE) == []
    best = min(timeit.repeat(lambda: check(model, PICTURE), number=100, repeat=5)) / 100
    assert best < 100e-6
