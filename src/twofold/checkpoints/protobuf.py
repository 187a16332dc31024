"""Messages of protobuf that hold only the fields that are read, without the libraries that define them.

ONNX and TensorFlow publish their messages with libraries of hundreds of megabytes. The runtime library of
protobuf makes messages from any description, passes over fields that it does not name, and is small.
"""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

from twofold.errors import MissingExtraError


class UnreadableError(ValueError):
    """Bytes that are no such message."""


@cache
def _classes(description: str) -> dict[str, Any]:
    descriptor = importlib.import_module("google.protobuf.descriptor_pb2").FileDescriptorProto()
    importlib.import_module("google.protobuf.text_format").Parse(description, descriptor)
    descriptor.name = "read.proto"
    pool = importlib.import_module("google.protobuf.descriptor_pool").DescriptorPool()
    pool.Add(descriptor)
    class_of = importlib.import_module("google.protobuf.message_factory").GetMessageClass
    names = [message.name for message in descriptor.message_type]
    return {name: class_of(pool.FindMessageTypeByName(name)) for name in names}


def parse(description: str, name: str, data: bytes | memoryview, *, source: str, extra: str) -> Any:
    """Read a message.

    Args:
        description: a ``FileDescriptorProto`` in protobuf's text format, of all messages that take part.
        name: of the message among them.
        data: its bytes.
        source: what it is of, for an error.
        extra: of twofold, that installs protobuf.

    Raises:
        UnreadableError: if they are no message.
        MissingExtraError: if protobuf is not installed.
    """
    try:
        message = _classes(description)[name]()
        decode_error = importlib.import_module("google.protobuf.message").DecodeError
    except ImportError as error:
        raise MissingExtraError(
            f"{source} needs protobuf, which cannot be imported ({error}); pip install 'twofold[{extra}]'"
        ) from error
    try:
        message.MergeFromString(data)
    except decode_error as error:
        raise UnreadableError(" ".join(str(error).split())) from error
    return message
