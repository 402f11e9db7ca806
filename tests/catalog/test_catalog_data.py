"""The catalog and the stub of the calls are what the contract gives, and whole."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import jsonschema
import msgspec
import pytest
from openapi import contract

from novita_async.catalog import Media, Model, Schema, load
from tools import catalog as tool
from tools.catalog import CATALOG as FILE
from tools.catalog import FILES, KINDS, NO_MODELS, RULES, STUB, catalog, models
from tools.stubs import stub

if TYPE_CHECKING:
    from collections.abc import Iterator

CATALOG = load()
CONTRACTS = ("image", "video", "audio")
FORMS = {"url", "data-uri", "base64", "asset", "bytes"}
TYPES = {"png", "jpeg", "webp", "gif", "bmp", "tiff", "wav", "mp3", "flac", "ogg", "m4a", "mp4", "mov"}


def schemas(model: Model) -> Iterator[Schema]:
    waiting = [model.params]
    while waiting:
        schema = waiting.pop()
        yield schema
        waiting += [*schema.properties.values(), *schema.any_of, *([schema.items] if schema.items else [])]


def files(model: Model) -> list[Media]:
    return [schema.media for schema in schemas(model) if schema.media is not None]


@pytest.fixture(scope="module")
def made() -> list[Model]:
    return models()


def test_catalog_and_stub_are_what_the_contract_gives(made: list[Model]):
    again = "python -m tools.catalog"
    assert FILE.read_bytes() == catalog(made), f"{FILE.name} is out of date: {again}"
    assert STUB.read_text("utf-8") == stub(made), f"{STUB.name} is out of date: {again}"


@pytest.mark.parametrize("stale", ["", "models.jsonl", "calls.pyi"])
def test_the_tool_says_whether_they_are(stale: str, made: list[Model], tmp_path, monkeypatch, capsys):
    texts = {"models.jsonl": catalog(made), "calls.pyi": stub(made).encode()}
    for name, data in texts.items():
        (tmp_path / name).write_bytes(b"old" if name == stale else data)
    for name, value in {"ROOT": tmp_path, "CATALOG": tmp_path / "models.jsonl", "STUB": tmp_path / "calls.pyi"}.items():
        monkeypatch.setattr(tool, name, value)
    monkeypatch.setattr(tool, "models", lambda: made)
    monkeypatch.setattr(sys, "argv", ["catalog", "--check"])
    with pytest.raises(SystemExit) as ended:
        tool.main()
    assert ended.value.code == bool(stale)
    assert capsys.readouterr().out == (
        f"{stale} is not what the contract gives: python -m tools.catalog\n" if stale else ""
    )
    monkeypatch.setattr(sys, "argv", ["catalog"])
    tool.main()
    assert {name: (tmp_path / name).read_bytes() for name in texts} == texts


def test_every_post_of_the_contract_is_a_model_or_a_call_of_its_own():
    paths = {
        path
        for name in CONTRACTS
        for path, item in contract(name).document["paths"].items()
        if "post" in item and path not in NO_MODELS
    }
    assert paths == {model.path for model in CATALOG.values()}


def test_every_model_is_whole():
    assert len(CATALOG) > 130
    for model in CATALOG.values():
        assert model.title, model.id
        assert model.family, model.id
        assert model.task, model.id
        assert model.output, model.id
        assert model.params.properties, model.id
        assert (model.status == "retired") == bool(model.retired), model.id
        assert set(model.params.required) <= set(model.params.properties), model.id
        named = {name for section in model.sections.values() for name in section}
        assert named <= set(model.params.properties), model.id


def test_a_retired_model_names_a_model_in_its_place_that_there_is():
    families = {model.family for model in CATALOG.values()}
    for model in CATALOG.values():
        if model.replacement:
            assert model.replacement in CATALOG or model.replacement in families, (model.id, model.replacement)


def test_a_file_says_how_it_is_sent():
    for model in CATALOG.values():
        for media in files(model):
            assert media.forms, model.id
            assert set(media.forms) <= FORMS, model.id
            assert set(media.formats) <= TYPES, model.id
            assert media.kind in ("image", "video", "audio", "image-or-video"), model.id
        if any("bytes" in media.forms for media in files(model)):
            assert {"multipart/form-data", "application/msgpack"} & set(model.body), model.id


def test_the_tables_of_the_tool_name_what_the_contract_has():
    known = {
        name: schema for each in CONTRACTS for name, schema in contract(each).document["components"]["schemas"].items()
    }
    for owner, name in FILES:
        assert f'"{name}":' in msgspec.json.encode(known[owner.rpartition("/")[2]]).decode(), (owner, name)
    assert set(RULES) <= set(known)
    for start, _, _ in KINDS:
        assert any(id_.startswith(start) for id_ in CATALOG), start


def test_a_schema_can_be_given_to_an_agent():
    for model in CATALOG.values():
        schema = model.json_schema()
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["title"] == model.id
        assert schema["additionalProperties"] is False
        assert set(schema["properties"]) == set(model.params.properties)


def test_words_of_the_contract_become_limits():
    (media,) = files(CATALOG["seedream-4.0"])
    assert (media.formats, media.max_bytes, media.max_ratio) == (("png", "jpeg"), 10 << 20, 3)
    (media,) = files(CATALOG["img2prompt"])
    assert (media.forms, media.max_bytes, media.max_pixels) == (("base64",), 30 << 20, 2048 * 2048)
    size = CATALOG["glm-image"].params.properties["size"].size
    assert size is not None
    assert (size.separator, size.max_side, size.step) == ("x", 2048, 32)
