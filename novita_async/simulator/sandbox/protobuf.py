"""Messages of envd in binary protobuf, turned into proto3 JSON and back (contract/envd/*.proto).

The services speak JSON only; a binary message is translated at their door. Needs the `protobuf` package
(`pip install novita-async[simulator]`), which is imported when the first binary message comes.
"""

from __future__ import annotations

import importlib.util
import re
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
    from google.protobuf.message import Message

__all__ = ["Messages", "is_available", "table"]

#: One message a line: `Name: type field=number`. `*` repeats a field, `?` makes it optional, `|name` puts it into a
#: oneof, `{}` is a map from text to text. A type in capitals is a message or an enum of the same file.
_PACKAGES = {
    "process": """
        PTY.Size: uint32 cols=1, uint32 rows=2
        PTY: PTY.Size size=1
        ProcessConfig: string cmd=1, string* args=2, string{} envs=3, string? cwd=4
        ProcessSelector: uint32|selector pid=1, string|selector tag=2
        ProcessInfo: ProcessConfig config=1, uint32 pid=2, string? tag=3
        ProcessInput: bytes|input stdin=1, bytes|input pty=2
        ProcessEvent.StartEvent: uint32 pid=1
        ProcessEvent.DataEvent: bytes|output stdout=1, bytes|output stderr=2, bytes|output pty=3
        ProcessEvent.EndEvent: sint32 exit_code=1, bool exited=2, string status=3, string? error=4
        ProcessEvent.KeepAlive:
        ProcessEvent: ProcessEvent.StartEvent|event start=1, ProcessEvent.DataEvent|event data=2, \
                      ProcessEvent.EndEvent|event end=3, ProcessEvent.KeepAlive|event keepalive=4
        ListRequest:
        ListResponse: ProcessInfo* processes=1
        StartRequest: ProcessConfig process=1, PTY? pty=2, string? tag=3, bool? stdin=4
        StartResponse: ProcessEvent event=1
        ConnectRequest: ProcessSelector process=1
        ConnectResponse: ProcessEvent event=1
        UpdateRequest: ProcessSelector process=1, PTY? pty=2
        UpdateResponse:
        SendInputRequest: ProcessSelector process=1, ProcessInput input=2
        SendInputResponse:
        StreamInputRequest.StartEvent: ProcessSelector process=1
        StreamInputRequest.DataEvent: ProcessInput input=2
        StreamInputRequest.KeepAlive:
        StreamInputRequest: StreamInputRequest.StartEvent|event start=1, StreamInputRequest.DataEvent|event data=2, \
                            StreamInputRequest.KeepAlive|event keepalive=3
        StreamInputResponse:
        SendSignalRequest: ProcessSelector process=1, Signal signal=2
        SendSignalResponse:
        CloseStdinRequest: ProcessSelector process=1
        CloseStdinResponse:
    """,
    "filesystem": """
        EntryInfo: string name=1, FileType type=2, string path=3, int64 size=4, uint32 mode=5, string permissions=6, \
                   string owner=7, string group=8, Timestamp modified_time=9, string? symlink_target=10, \
                   string{} metadata=11
        StatRequest: string path=1
        StatResponse: EntryInfo entry=1
        MakeDirRequest: string path=1
        MakeDirResponse: EntryInfo entry=1
        MoveRequest: string source=1, string destination=2
        MoveResponse: EntryInfo entry=1
        ListDirRequest: string path=1, uint32 depth=2
        ListDirResponse: EntryInfo* entries=1
        RemoveRequest: string path=1
        RemoveResponse:
        FilesystemEvent: string name=1, EventType type=2, EntryInfo? entry=3
        WatchDirRequest: string path=1, bool recursive=2, bool include_entry=3, bool allow_network_mounts=4
        WatchDirResponse.StartEvent:
        WatchDirResponse.KeepAlive:
        WatchDirResponse: WatchDirResponse.StartEvent|event start=1, FilesystemEvent|event filesystem=2, \
                          WatchDirResponse.KeepAlive|event keepalive=3
        CreateWatcherRequest: string path=1, bool recursive=2, bool include_entry=3, bool allow_network_mounts=4
        CreateWatcherResponse: string watcher_id=1
        GetWatcherEventsRequest: string watcher_id=1
        GetWatcherEventsResponse: FilesystemEvent* events=1
        RemoveWatcherRequest: string watcher_id=1
        RemoveWatcherResponse:
    """,
}
_ENUMS = {
    "process": {"Signal": {"SIGNAL_UNSPECIFIED": 0, "SIGNAL_SIGKILL": 9, "SIGNAL_SIGTERM": 15}},
    "filesystem": {
        "FileType": {
            "FILE_TYPE_UNSPECIFIED": 0,
            "FILE_TYPE_FILE": 1,
            "FILE_TYPE_DIRECTORY": 2,
            "FILE_TYPE_SYMLINK": 3,
        },
        "EventType": {
            "EVENT_TYPE_UNSPECIFIED": 0,
            "EVENT_TYPE_CREATE": 1,
            "EVENT_TYPE_WRITE": 2,
            "EVENT_TYPE_REMOVE": 3,
            "EVENT_TYPE_RENAME": 4,
            "EVENT_TYPE_CHMOD": 5,
        },
    },
}
_FIELD = re.compile(r"([\w.]+)((?:\*|\?|\{\}|\|\w+)?) (\w+)=(\d+)")


def is_available() -> bool:
    """Whether binary messages can be read: the `protobuf` package is installed."""
    try:
        return importlib.util.find_spec("google.protobuf") is not None
    except ModuleNotFoundError:  # nothing of google's is
        return False


def table(package: str) -> dict[str, list[tuple[str, str, str, str]]]:
    """The messages of a package, each with its fields: type, modifier, name, number."""
    found: dict[str, list[tuple[str, str, str, str]]] = {}
    for line in _PACKAGES[package].strip().splitlines():
        name, _, fields = line.partition(":")
        found[name.strip()] = _FIELD.findall(fields)
    return found


class Messages:
    """The messages of both services. Making one imports `protobuf`, which blocks."""

    def __init__(self) -> None:
        from google.protobuf import json_format, message, message_factory
        from google.protobuf.descriptor_pool import DescriptorPool
        from google.protobuf.timestamp_pb2 import DESCRIPTOR as TIMESTAMP

        self._json = json_format
        self._unreadable = message.DecodeError
        # A pool of its own: the official client has files of the same names in the default one.
        pool = DescriptorPool()
        pool.AddSerializedFile(TIMESTAMP.serialized_pb)
        for package in _PACKAGES:
            pool.AddSerializedFile(_file(package).SerializeToString())
        self._types: dict[str, type[Message]] = {}
        for package in _PACKAGES:
            found = message_factory.GetMessageClassesForFiles([f"envd/{package}.proto"], pool)
            self._types |= {f"{package}.{name.removeprefix(f'{package}.')}": made for name, made in found.items()}

    def to_json(self, name: str, data: bytes) -> bytes:
        """Read a binary message, such as "process.StartRequest".

        Raises:
            ValueError: it cannot be read.
        """
        try:
            return self._json.MessageToJson(self._types[name].FromString(data), indent=None).encode()
        except (self._unreadable, self._json.SerializeToJsonError) as error:
            raise ValueError(str(error)) from error

    def from_json(self, name: str, value: Any) -> bytes:
        """Write a message, given as what its JSON would be, in binary."""
        made = self._types[name]()
        self._json.ParseDict(msgspec.to_builtins(value), made)
        return made.SerializeToString()


def _file(package: str) -> FileDescriptorProto:
    from google.protobuf import descriptor_pb2

    file = descriptor_pb2.FileDescriptorProto(name=f"envd/{package}.proto", package=package, syntax="proto3")
    file.dependency.append("google/protobuf/timestamp.proto")
    for name, values in _ENUMS[package].items():
        enum = file.enum_type.add(name=name)
        for value, number in values.items():
            enum.value.add(name=value, number=number)
    made: dict[str, DescriptorProto] = {}
    for name, fields in table(package).items():
        outer, _, inner = name.rpartition(".")
        if outer and outer not in made:
            made[outer] = file.message_type.add(name=outer)
        if name not in made:
            made[name] = made[outer].nested_type.add(name=inner) if outer else file.message_type.add(name=name)
        for field in fields:
            _add(made[name], package, *field)
    for message in made.values():
        # Protobuf wants the oneofs that stand for optional fields behind the real ones.
        for field in message.field:
            if field.proto3_optional:
                field.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name=f"_{field.name}")
    return file


def _add(message: DescriptorProto, package: str, kind: str, modifier: str, name: str, number: str) -> None:
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Field

    field = message.field.add(name=name, number=int(number), label=Field.LABEL_OPTIONAL)
    if modifier == "{}":
        entry = message.nested_type.add(name=f"{name.capitalize()}Entry")
        entry.options.map_entry = True
        _add(entry, package, kind, "", "key", "1")
        _add(entry, package, kind, "", "value", "2")
        field.type = Field.TYPE_MESSAGE
        field.type_name = f".{package}.{message.name}.{entry.name}"
    elif kind.islower() or kind[-1].isdigit():
        field.type = Field.Type.Value(f"TYPE_{kind.upper()}")
    else:
        field.type = Field.TYPE_ENUM if kind in _ENUMS[package] else Field.TYPE_MESSAGE
        field.type_name = ".google.protobuf.Timestamp" if kind == "Timestamp" else f".{package}.{kind}"
    if modifier in ("*", "{}"):
        field.label = Field.LABEL_REPEATED
    elif modifier == "?":
        field.proto3_optional = True
    elif modifier:
        oneofs = [oneof.name for oneof in message.oneof_decl]
        if modifier[1:] not in oneofs:
            message.oneof_decl.add(name=modifier[1:])
            oneofs.append(modifier[1:])
        field.oneof_index = oneofs.index(modifier[1:])
