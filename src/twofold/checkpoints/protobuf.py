"""Messages of protobuf that hold only the fields that are read, without the libraries that define them.

ONNX and TensorFlow publish their messages with libraries of hundreds of megabytes. The runtime library of
protobuf makes messages from any description, passes over fields that it does not name, and is small.
"""

from functools import cache
from typing import Any

from twofold.errors import require


class UnreadableError(ValueError):
    """Bytes that are no such message."""


@cache
def _classes(description: str) -> dict[str, Any]:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

    file = text_format.Parse(description, descriptor_pb2.FileDescriptorProto(name="read.proto"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        message.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(message.name))
        for message in file.message_type
    }


def parse(description: str, name: str, data: bytes | memoryview, *, source: str, extra: str) -> Any:
    """Read a message.

    Args:
        description: a ``FileDescriptorProto`` in protobuf's text format, of all messages that take part.
        name: of the message among them.
        data: its bytes.
        source: what to call the file in an error.
        extra: of twofold, that installs protobuf.

    Raises:
        UnreadableError: if they are no message.
        MissingExtraError: if protobuf is not installed.
    """
    decode_error = require("google.protobuf.message", source, extra, package="protobuf").DecodeError
    message = _classes(description)[name]()
    try:
        message.MergeFromString(data)
    except decode_error as error:
        raise UnreadableError(" ".join(str(error).split())) from error
    return message
