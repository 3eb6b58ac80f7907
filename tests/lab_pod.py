"""Makes pods and containers over the socket of containerd, for lab.sh. The messages are put together by hand.

    lab_pod.py sandbox POD
    lab_pod.py pull IMAGE
    lab_pod.py container SANDBOX POD NAME IMAGE SHELL-COMMAND
"""

import sys

import grpc

LOGS = "/tmp/pods"


def text(tag, value):
    data = value.encode() if isinstance(value, str) else value
    length, size = len(data), b""
    while length > 0x7F:
        size += bytes([length & 0x7F | 0x80])
        length >>= 7
    key = tag << 3 | 2
    head = bytes([key]) if key < 0x80 else bytes([key & 0x7F | 0x80, key >> 7])
    return head + size + bytes([length]) + data


def number(tag, value):
    return bytes([tag << 3, value])


def pairs(tag, items):
    return b"".join(text(tag, text(1, key) + text(2, value)) for key, value in items.items())


def first_text(message):
    """The first field of a message, which is an id of less than 128 bytes."""
    return message[2 : 2 + message[1]].decode()


# Network of the node, processes of the container's own.
NAMESPACES = number(1, 2) + number(2, 1)


def sandbox(pod):
    labels = {"io.kubernetes.pod.name": pod, "io.kubernetes.pod.namespace": "lab", "io.kubernetes.pod.uid": "uid-" + pod}
    metadata = text(1, pod) + text(2, "uid-" + pod) + text(3, "lab")
    linux = text(2, text(1, NAMESPACES))
    return text(1, metadata) + text(3, LOGS) + pairs(6, labels) + text(8, linux)


def call(method, message, service="RuntimeService"):
    channel = grpc.insecure_channel("unix:///run/containerd/containerd.sock")
    same = lambda data: data
    function = channel.unary_unary(f"/runtime.v1.{service}/{method}", request_serializer=same, response_deserializer=same)
    return function(message, timeout=100)


def container(sandbox_id, pod, name, image, command):
    labels = {
        "io.kubernetes.container.name": name,
        "io.kubernetes.pod.name": pod,
        "io.kubernetes.pod.namespace": "lab",
        "io.kubernetes.pod.uid": "uid-" + pod,
    }
    words = b"".join(text(3, word) for word in ["/bin/sh", "-c", command])
    config = text(1, text(1, name)) + text(2, text(1, image)) + words + pairs(9, labels)
    config += text(11, f"{pod}_{name}.log") + text(15, text(2, text(3, NAMESPACES)))
    made = call("CreateContainer", text(1, sandbox_id) + text(2, config) + text(3, sandbox(pod)))
    call("StartContainer", text(1, first_text(made)))
    return first_text(made)


if sys.argv[1] == "sandbox":
    print(first_text(call("RunPodSandbox", text(1, sandbox(sys.argv[2])))))
elif sys.argv[1] == "pull":
    call("PullImage", text(1, text(1, sys.argv[2])), "ImageService")
else:
    print(container(*sys.argv[2:]))
