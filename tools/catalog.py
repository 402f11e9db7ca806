"""Make `novita_async/catalog/models.jsonl` and `novita_async/media/calls.pyi` from the contract.

    python -m tools.catalog            write both
    python -m tools.catalog --check    say whether both are what the contract gives; exit 1 when not

What the contract says in words only (which form of a picture, which model of a family) stands in the tables below.
"""

from __future__ import annotations

import pathlib
import re
import sys
from typing import Any

import msgspec
import yaml

from novita_async.catalog import Media, Model, Rule, Schema, Size
from tools.stubs import stub

ROOT = pathlib.Path(__file__).parent.parent
CATALOG = ROOT / "novita_async" / "catalog" / "models.jsonl"
STUB = ROOT / "novita_async" / "media" / "calls.pyi"

#: Ids that are not the last part of the path: of an asynchronous twin, and of paths whose last part says nothing.
IDS = {
    "/v3/async/replace-background": "replace-background-async",
    "/v3/training/subject": "training-subject",
    "/v3/training/style": "training-style",
    "/v4beta/txt2speech": "fish-audio-text-to-speech",
    "/v4beta/model": "fish-audio-voice-cloning",
}
#: Operations that are calls of their own in the SDK, and not models.
NO_MODELS = {"/v3/assets/training_dataset", "/v3/video/create"}

#: Family and task of the image and audio models, by the start of their id. The first match counts.
KINDS = (
    ("txt2img", "stable-diffusion", "t2i"),
    ("img2img", "stable-diffusion", "i2i"),
    ("inpainting", "stable-diffusion", "inpaint"),
    ("adetailer", "stable-diffusion", "i2i"),
    ("upscale", "stable-diffusion", "upscale"),
    ("image-upscaler", "image-tools", "upscale"),
    ("image-eraser", "image-tools", "erase"),
    ("image-remove-background", "image-tools", "remove-background"),
    ("remove-background", "editors", "remove-background"),
    ("replace-background", "editors", "replace-background"),
    ("remove-text", "editors", "remove-text"),
    ("cleanup", "editors", "erase"),
    ("reimagine", "editors", "i2i"),
    ("outpainting", "editors", "outpaint"),
    ("merge-face", "editors", "face-swap"),
    ("video-merge-face", "legacy-sd-video", "face-swap"),
    ("img2prompt", "editors", "caption"),
    ("flux-1-kontext", "flux-1-kontext", "t2i+i2i"),
    ("flux-1-schnell", "flux-1", "t2i"),
    ("flux-2", "flux-2", "t2i+i2i"),
    ("qwen-image-txt2img", "qwen-image", "t2i"),
    ("qwen-image-edit", "qwen-image", "i2i"),
    ("hunyuan-image", "hunyuan-image", "t2i"),
    ("z-image", "z-image", "t2i"),
    ("glm-image", "glm-image", "t2i"),
    ("seedream-3", "seedream", "t2i"),
    ("seedream", "seedream", "t2i+i2i"),
    ("training", "training", "training"),
    ("minimax-speech", "minimax-speech", "speech"),
    ("minimax-voice-cloning", "minimax-voice", "voice-clone"),
    ("minimax-voice-design", "minimax-voice", "voice-design"),
    ("minimax-music-lyrics", "minimax-music", "lyrics"),
    ("minimax-music", "minimax-music", "music"),
    ("glm-tts-voice-clone", "glm-audio", "voice-clone"),
    ("glm-tts", "glm-audio", "speech"),
    ("glm-asr", "glm-audio", "transcription"),
    ("fish-audio-voice-cloning", "fish-audio", "voice-clone"),
    ("fish-audio", "fish-audio", "speech"),
    ("txt2speech", "txt2speech", "speech"),
)
#: What a task gives.
OUTPUTS = {
    "caption": "text", "transcription": "text", "lyrics": "text", "voice-clone": "voice", "voice-design": "voice",
    "training": "lora",
}  # fmt: skip
#: Replacements that a notice calls by their title.
TITLES = {"Seedream 5.0 lite": "seedream-5.0-lite", "Qwen-Image Text to Image": "qwen-image-txt2img"}
STATUSES = {"listed": "current", "current": "current", "unlisted": "unlisted", "dropped-from-index": "unlisted"}

IMAGE, AUDIO = "image", "audio"
URL, DATA, BASE64, ASSET, BYTES = "url", "data-uri", "base64", "asset", "bytes"
_DOCUMENTED = {"assets-id": ASSET}
#: Files of the image and audio models, and lists that the video specification leaves unmarked: the schema and the path
#: of the parameter in it, kind, forms.
FILES: dict[tuple[str, str], tuple[str, tuple[str, ...]]] = {
    ("Img2ImgParams", "image_base64"): (IMAGE, (BASE64,)),
    ("ControlNetUnit", "image_base64"): (IMAGE, (BASE64,)),
    ("IpAdapter", "image_base64"): (IMAGE, (BASE64,)),
    ("InpaintingParams", "image_base64"): (IMAGE, (BASE64,)),
    ("InpaintingParams", "mask_image_base64"): (IMAGE, (BASE64,)),
    ("UpscaleParams", "image_base64"): (IMAGE, (BASE64,)),
    ("ADetailerParams", "image_assets_ids"): (IMAGE, (ASSET,)),
    ("ADetailerParams", "image_urls"): (IMAGE, (URL,)),
    ("Flux1KontextDevRequest", "images"): (IMAGE, (URL, DATA)),
    ("Flux1KontextProRequest", "images"): (IMAGE, (URL, DATA)),
    ("Flux1KontextMaxRequest", "images"): (IMAGE, (URL, DATA)),
    ("Flux2DevRequest", "images"): (IMAGE, (URL,)),
    ("Flux2Request", "images"): (IMAGE, (URL,)),
    ("Seedream4Request", "images"): (IMAGE, (URL, DATA)),
    ("Seedream45Request", "image"): (IMAGE, (URL, DATA)),
    ("Seedream5LiteRequest", "image"): (IMAGE, (URL, DATA)),
    ("QwenImageEditRequest", "image"): (IMAGE, (URL, DATA)),
    ("ImageUpscalerRequest", "image"): (IMAGE, (URL,)),
    ("ImageRemoveBackgroundRequest", "image"): (IMAGE, (URL,)),
    ("ImageEraserRequest", "image"): (IMAGE, (URL, DATA)),
    ("ImageEraserRequest", "mask"): (IMAGE, (URL, DATA)),
    ("RemoveBackgroundRequest", "image_file"): (IMAGE, (BASE64,)),
    ("ReplaceBackgroundRequest", "image_file"): (IMAGE, (BASE64,)),
    ("AsyncReplaceBackgroundRequest", "image_file"): (IMAGE, (BASE64,)),
    ("RemoveTextRequest", "image_file"): (IMAGE, (BASE64,)),
    ("ReimagineRequest", "image_file"): (IMAGE, (BASE64,)),
    ("CleanupRequest", "image_file"): (IMAGE, (BASE64,)),
    ("CleanupRequest", "mask_file"): (IMAGE, (BASE64,)),
    ("OutpaintingRequest", "image_file"): (IMAGE, (BASE64,)),
    ("MergeFaceRequest", "image_file"): (IMAGE, (BASE64,)),
    ("MergeFaceRequest", "face_image_file"): (IMAGE, (BASE64,)),
    ("Img2PromptRequest", "image_file"): (IMAGE, (BASE64,)),
    ("ViduSubject", "images"): (IMAGE, (URL, DATA)),
    ("ViduNamedSubject", "images"): (IMAGE, (URL, DATA)),
    ("ViduNamedSubject", "videos"): ("video", (URL,)),
    ("GlmAsrRequest", "file"): (AUDIO, (URL, DATA)),
    ("GlmVoiceCloneRequest", "audio_url"): (AUDIO, (URL,)),
    ("MiniMaxVoiceCloneRequest", "audio_url"): (AUDIO, (URL,)),
    ("MiniMaxVoiceCloneRequest", "prompt_audio_url"): (AUDIO, (URL,)),
    ("FishTtsRequest/FishReference", "audio"): (AUDIO, (BYTES,)),
    ("FishS2ProRequest/FishReference", "audio"): (AUDIO, (URL, BASE64)),
    ("FishVoiceModelRequest", "voices"): (AUDIO, (BYTES,)),
    ("FishVoiceModelRequest", "cover_image"): (IMAGE, (BYTES,)),
}
#: Limits of files that the contract states in words only.
FILE_LIMITS: dict[tuple[str, str], dict[str, Any]] = {
    ("Seedream4Request", "images"): {
        "formats": ("png", "jpeg"), "max_bytes": 10 << 20, "min_side": 15, "max_side": 6000, "max_ratio": 3,
    },
    ("Seedream45Request", "image"): {"formats": ("jpeg", "png", "webp", "bmp", "tiff", "gif")},
    ("Seedream5LiteRequest", "image"): {"formats": ("jpeg", "png", "webp", "bmp", "tiff", "gif")},
    ("RemoveBackgroundRequest", "image_file"): {"formats": ("png", "jpeg")},
    ("GlmAsrRequest", "file"): {"formats": ("wav", "mp3"), "max_bytes": 25 << 20},
    ("GlmVoiceCloneRequest", "audio_url"): {"max_bytes": 10 << 20},
    ("MiniMaxVoiceCloneRequest", "audio_url"): {"formats": ("mp3", "m4a", "wav"), "max_bytes": 20 << 20},
}  # fmt: skip
#: Limits of sizes that the contract states in words only. GLM recommends 1728x960, below its own stated side of 1024.
SIZE_LIMITS: dict[str, dict[str, Any]] = {
    "Seedream3Request": {"min_side": 512, "max_side": 2048},
    "Seedream4Request": {"max_ratio": 16},
    "Seedream45Request": {"max_ratio": 16},
    "Seedream5LiteRequest": {"max_ratio": 16},
    "GlmImageRequest": {"min_side": 960, "max_side": 2048, "max_pixels": 4194304, "step": 32},
}
_NOT_WITH_STREAM = {
    "rule": "enum-when", "field": "audio_setting.format", "values": ["mp3", "pcm", "flac"], "when": {"stream": True},
}  # fmt: skip
#: Rules that the contract states in words only.
RULES: dict[str, list[dict[str, Any]]] = {
    "Txt2ImgRequest": [
        {
            "rule": "enum-when", "field": "extra.response_image_type", "values": ["png"],
            "when": {"enable_transparent_background": True},
        }
    ],
    "ADetailerRequest": [
        {"rule": "mutually-exclusive", "fields": ["image_assets_ids", "image_urls"]},
        {"rule": "at-least-one", "fields": ["image_assets_ids", "image_urls"]},
    ],
    "ImageEraserRequest": [{"rule": "at-least-one", "fields": ["mask", "prompt"]}],
    "MiniMaxLegacySpeechRequest": [
        {"rule": "at-least-one", "fields": ["voice_setting.voice_id", "timbre_weights"]},
        _NOT_WITH_STREAM,
    ],
    "MiniMax28SpeechRequest": [
        {"rule": "at-least-one", "fields": ["voice_setting.voice_id", "timber_weights"]},
        _NOT_WITH_STREAM,
    ],
    "FishVoiceModelRequest": [{"rule": "required-when", "field": "cover_image", "when": {"visibility": "public"}}],
    "MiniMaxMusicRequest": [
        {"rule": "required-when", "field": "prompt", "when": {"is_instrumental": True}},
        {"rule": "enum-when", "field": "model", "values": ["music-2.5+"], "when": {"is_instrumental": True}},
    ],
}  # fmt: skip

_KEPT = {
    "type", "enum", "default", "minimum", "maximum", "exclusiveMinimum", "minLength", "maxLength", "pattern",
    "minItems", "maxItems", "format", "description",
}  # fmt: skip
_SIZES = re.compile(r"\d+([*x])\d+")


class Contract:
    """One specification, read."""

    def __init__(self, name: str) -> None:
        self.name = name
        text = (ROOT / "contract" / f"{name}.openapi.yaml").read_text("utf-8")
        # The loader in C, where there is one, takes a tenth of the time.
        self.document: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        self.schemas: dict[str, Any] = self.document["components"]["schemas"]

    def models(self) -> list[Model]:
        found: list[Model] = []
        for path, item in self.document["paths"].items():
            operation = item.get("post")
            if operation is not None and path not in NO_MODELS:
                found.append(self.model(path, operation))
        return found

    def model(self, path: str, operation: dict[str, Any]) -> Model:
        content: dict[str, Any] = operation["requestBody"]["content"]
        name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
        top = self.schema(self.schemas[name], name, "")
        params, sections = _flattened(top)
        id_ = IDS.get(path) or path.rpartition("/")[2]
        if path.startswith("/v3/async/minimax-speech"):
            id_ += "-async"
        family, task = self.kind(id_, operation)
        status = operation.get("x-novita-status") or operation.get("x-status") or ""
        retired = operation.get("x-novita-retired-on") or operation.get("x-retired-on") or ""
        replacement = operation.get("x-novita-replacement") or operation.get("x-replacement") or ""
        product = (
            "training" if task == "training" else "videos" if id_ == "video-merge-face" else
            {"image": "images", "video": "videos", "audio": "audio"}[self.name]
        )  # fmt: skip
        stream = operation.get("x-novita-stream", {})
        raw = any(kind.startswith("audio/") for kind in operation["responses"]["200"].get("content", {}))
        rate = operation.get("x-novita-default-rate-limit", {}).get("default") or operation.get("x-default-rpm") or 0
        kinds = tuple(content)
        return Model(
            id=id_,
            title=operation["summary"],
            product=product,
            family=family,
            task=task,
            path=path,
            kind=operation["x-novita-kind"],
            status=STATUSES.get(status, status),
            retired=str(retired),
            replacement="" if replacement == "unknown" else TITLES.get(replacement, replacement.rpartition("/")[2]),
            params=params,
            sections=sections,
            rules=self.rules(name, sections),
            output=OUTPUTS.get(task) or {"images": "images", "videos": "videos", "audio": "audios"}[product],
            stream="bytes" if raw else "events" if stream.get("supported") else "",
            webhook="extra.webhook" in str(operation.get("x-webhook", ""))
            or operation.get("x-novita-webhook") == "documented",
            body=() if kinds == ("application/json",) else kinds,
            task_type=operation.get("x-novita-task-type") or operation.get("x-task-type-sample") or "",
            rate=rate,
            page=operation.get("x-novita-docs") or operation.get("x-doc-page") or "",
        )

    def kind(self, id_: str, operation: dict[str, Any]) -> tuple[str, str]:
        if "x-video-task" in operation:
            return operation["x-model-family"], operation["x-video-task"]
        return next((family, task) for start, family, task in KINDS if id_.startswith(start))

    def rules(self, name: str, sections: dict[str, tuple[str, ...]]) -> tuple[Rule, ...]:
        schema = self.schemas[name]
        found = [*schema.get("x-rules", ()), *RULES.get(name, ())]
        for alternatives in [schema.get("anyOf", ())]:
            if alternatives:
                found.append({"rule": "at-least-one", "fields": [each["required"][0] for each in alternatives]})
        for field, fields in schema.get("dependentRequired", {}).items():
            found.append({"rule": "requires", "field": field, "fields": fields})

        def flat(field: str) -> str:
            section, _, rest = field.partition(".")
            return rest if section in sections else field

        return tuple(
            Rule(
                rule=rule["rule"],
                field=flat(rule.get("field", "")),
                fields=tuple(flat(field) for field in rule.get("fields", ())),
                values=tuple(rule.get("values", ())),
                value=rule.get("value"),
                pairs=tuple(tuple(pair) for pair in rule.get("pairs", ())),
                when={flat(field): value for field, value in rule.get("when", {}).items()},
                where=rule.get("where", {}),
                text=rule.get("text", ""),
            )
            for rule in found
        )

    def schema(self, node: dict[str, Any], owner: str, name: str) -> Schema:
        """A schema with its references followed.

        Args:
            node: as the contract has it.
            owner: the named schema that it stands in; a nested one after a slash.
            name: the parameter that it describes.
        """
        if "$ref" in node:
            target = node["$ref"].rpartition("/")[2]
            merged = {**self.schemas[target], **{key: value for key, value in node.items() if key != "$ref"}}
            # Of a schema that several share, with files in different forms, the one that refers to it is the owner.
            shared = f"{owner}/{target}"
            return self.schema(merged, shared if any(known == shared for known, _ in FILES) else target, name)
        fields: dict[str, Any] = {key: value for key, value in node.items() if key in _KEPT}
        kinds = fields.get("type")
        if isinstance(kinds, list):
            fields["type"] = tuple(kinds)
        if "enum" in fields:
            fields["enum"] = tuple(fields["enum"])
        fields = {re.sub("[A-Z]", lambda hit: "_" + hit[0].lower(), key): value for key, value in fields.items()}
        if node.get("items"):
            fields["items"] = self.schema(node["items"], owner, name)
        if "properties" in node:
            fields["properties"] = {each: self.schema(value, owner, each) for each, value in node["properties"].items()}
            fields["required"] = tuple(node.get("required", ()))
        for key, place in (("anyOf", "any_of"), ("oneOf", "any_of")):
            if key in node and "properties" not in node:
                fields[place] = tuple(self.schema(each, owner, name) for each in node[key])
        if node.get("x-novita-open-enum") or node.get("x-open-enum") or "list grows" in node.get("x-note", ""):
            fields["open"] = True
        if node.get("x-overflow") == "truncate":
            fields["truncates"] = True
        fields["size"] = self.size(node, owner)
        media = self.media(node, owner, name)
        if media is not None and "items" in fields:  # it is each item that is a file
            fields["items"] = msgspec.structs.replace(fields["items"], media=media)
        else:
            fields["media"] = media
        return Schema(**fields)

    def media(self, node: dict[str, Any], owner: str, name: str) -> Media | None:
        if node.get("type") not in ("string", "array", ["string", "null"]) or "enum" in node:
            return None
        said = node.get("x-media")
        known = FILES.get((owner, name))
        if known is not None and "x-media" not in node:
            limits = dict(FILE_LIMITS.get((owner, name), {}))
            if "x-novita-max-bytes" in node:
                limits["max_bytes"] = node["x-novita-max-bytes"]
            if "x-novita-max-pixels" in node:
                width, height = (int(side) for side in node["x-novita-max-pixels"].split("x"))
                limits["max_pixels"] = width * height
            if "x-novita-max-megapixels" in node:
                limits["max_pixels"] = int(node["x-novita-max-megapixels"] * 1_000_000)
            return Media(known[0], known[1], **limits)
        if said is None:
            return None
        limits = {}
        formats = [
            kind for each in (said, said.get("image", {}), said.get("video", {})) for kind in each.get("formats", ())
        ]
        if formats:
            limits["formats"] = tuple(
                "jpeg" if kind == "jpg" else kind
                for kind in dict.fromkeys(formats)
                if kind != "jpg" or "jpeg" not in formats
            )
        # Of what is sent inside the body, which is all that can be measured here.
        megabytes = said.get("decoded_base64_max_mb") or said.get("max_mb")
        if megabytes:
            limits["max_bytes"] = int(megabytes * (1 << 20))
        if "max_px" in said:
            width, height = (int(side) for side in said["max_px"].split("x"))
            limits["max_pixels"] = width * height
        if "min_side_px" in said:
            limits["min_side"] = said["min_side_px"]
        if "side_px" in said:
            limits["min_side"], limits["max_side"] = said["side_px"]
        if "aspect" in said:
            limits["max_ratio"] = max(_ratio(each) for each in said["aspect"])
        forms = tuple(_DOCUMENTED.get(form, form) for form in (*said["transport"], *said.get("transport_inferred", ())))
        return Media(said["kind"], forms, **limits)

    def size(self, node: dict[str, Any], owner: str) -> Size | None:
        pattern = node.get("pattern", "")
        marks = [match[1] for value in node.get("enum", ()) if (match := _SIZES.fullmatch(str(value)))]
        if r"\d+\*\d+" in pattern or r"\d+x\d+" in pattern:
            marks.append("*" if r"\*" in pattern else "x")
        if not marks:
            return None
        limits = dict(SIZE_LIMITS.get(owner, {}))
        if "x-novita-side-min" in node:
            limits["min_side"], limits["max_side"] = node["x-novita-side-min"], node["x-novita-side-max"]
        if "x-novita-total-pixels" in node:
            limits["min_pixels"], limits["max_pixels"] = node["x-novita-total-pixels"]
        return Size(marks[0], **limits)


def _ratio(said: float | str) -> float:
    """The ratio of the longer to the shorter side, of "2.5:1" or 0.4."""
    first, _, second = str(said).partition(":")
    ratio = float(first) / float(second or 1)
    return round(max(ratio, 1 / ratio), 4)


def _flattened(top: Schema) -> tuple[Schema, dict[str, tuple[str, ...]]]:
    """All parameters on one level, and the sections that they come from."""
    wanted = {name for name in ("request", "input", "parameters") if top.properties.get(name, Schema()).properties}
    if not wanted:
        return msgspec.structs.replace(top, description=""), {}
    properties: dict[str, Schema] = {}
    required: list[str] = []
    sections: dict[str, tuple[str, ...]] = {}
    for name, schema in top.properties.items():
        if name not in wanted:
            properties[name] = schema
            continue
        clash = set(schema.properties) & set(properties)
        assert not clash, f"{clash} would stand twice on one level"
        assert name in top.required or not schema.required, f"{name} is optional, and has required fields"
        properties |= schema.properties
        required += schema.required
        sections[name] = tuple(schema.properties)
    return Schema(type="object", properties=properties, required=tuple(required)), sections


def models() -> list[Model]:
    """Every model of the contract, in the order of its pages. A model that two specifications have comes once."""
    found: dict[str, Model] = {}
    for name in ("image", "video", "audio"):
        for model in Contract(name).models():
            # The video specification says more of the model that both have.
            found[model.id] = model
    return list(found.values())


def catalog(found: list[Model]) -> bytes:
    return b"".join(msgspec.json.encode(model) + b"\n" for model in found)


def main() -> None:
    found = models()
    wanted = {CATALOG: catalog(found), STUB: stub(found).encode()}
    if "--check" in sys.argv[1:]:
        stale = [path for path, data in wanted.items() if not path.exists() or path.read_bytes() != data]
        for path in stale:
            print(f"{path.relative_to(ROOT)} is not what the contract gives: python -m tools.catalog")
        sys.exit(bool(stale))
    for path, data in wanted.items():
        path.write_bytes(data)
        print(f"{path.relative_to(ROOT)}: {len(data)} bytes")


if __name__ == "__main__":
    main()
