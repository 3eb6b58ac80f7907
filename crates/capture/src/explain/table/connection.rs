//! What a connection fails with, and answers that have no more to them.

use super::super::{
    Kind::{Fix, Retry},
    Rule,
    Stage::Connection,
};

pub const RULES: &[Rule] = &[
    Rule {
        code: "unauthorized",
        stage: Connection,
        kind: Fix,
        pattern: "Unauthorized",
        why: "The server does not accept the credentials: there are none, or they have expired.",
        fix: "Log in again; straight to a kubelet, give a client certificate that its --client-ca-file knows, or a bearer token.",
    },
    Rule {
        code: "connection-refused",
        stage: Connection,
        kind: Retry,
        pattern: "onnection refused",
        why: "Nothing listens at the address.",
        fix: "Check the address and port (a kubelet has 10250), and that the service runs.",
    },
    Rule {
        code: "socket-permission",
        stage: Connection,
        kind: Fix,
        pattern: "ermission denied",
        why: "This user may not open the socket or file.",
        fix: "Run it as root on the node.",
    },
    Rule {
        code: "unknown-ca",
        stage: Connection,
        kind: Fix,
        pattern: "invalid peer certificate: {reason}",
        why: "The server's certificate does not stand up: {reason}.",
        fix: "Give the authority that signed it with --ca: for a kubelet that made its own certificate, copy \
              /var/lib/kubelet/pki/kubelet.crt from the node. Only --insecure goes on without, and anybody in between can then \
              read and change the answer.",
    },
    Rule {
        code: "client-certificate-refused",
        stage: Connection,
        kind: Fix,
        pattern: "received fatal alert: {alert}",
        why: "The server ended the TLS connection: {alert}. It wants a client certificate, or does not accept the one it got.",
        fix: "Give a certificate that an authority of the server signed (--cert and --key), or a bearer token (--token-file).",
    },
    Rule {
        code: "name-unknown",
        stage: Connection,
        kind: Fix,
        pattern: "failed to lookup address information",
        why: "The name of the server cannot be resolved.",
        fix: "Check the name, or give the address instead; with an address --server-name says which name the certificate has.",
    },
    Rule {
        code: "no-answer",
        stage: Connection,
        kind: Fix,
        pattern: "no answer within {seconds} s",
        why: "There was no answer for {seconds} seconds. A checkpoint may still be running.",
        fix: "Look on the node whether it is, and whether the container is paused, before trying again with a larger --timeout.",
    },
    Rule {
        code: "connection-broken",
        stage: Connection,
        kind: Fix,
        pattern: "connection closed before message completed",
        why: "The connection broke off before there was an answer. A checkpoint may still be running.",
        fix: "Look on the node whether it is, and whether the container is paused, before trying again.",
    },
    Rule {
        code: "connection-broken",
        stage: Connection,
        kind: Fix,
        pattern: "onnection reset by peer",
        why: "The connection broke off before there was an answer. A checkpoint may still be running.",
        fix: "Look on the node whether it is, and whether the container is paused, before trying again.",
    },
    Rule {
        code: "connection-broken",
        stage: Connection,
        kind: Fix,
        pattern: "end of file before message length reached",
        why: "The connection broke off in the middle of the answer. A checkpoint may be on the node.",
        fix: "Look on the node whether it is, and whether the container is paused, before trying again.",
    },
    Rule {
        code: "redirected",
        stage: Connection,
        kind: Fix,
        pattern: "redirected to {place}",
        why: "The server sends the request on to {place}, which was not followed, since the credentials would go along.",
        fix: "Check the address: a kubelet is https://NODE:10250 without a path, and a login page is no API server.",
    },
    Rule {
        code: "no-socket",
        stage: Connection,
        kind: Fix,
        pattern: "sock: No such file or directory",
        why: "There is no such socket: the service does not run on this machine, or its socket is elsewhere.",
        fix: "Start the service (for Podman: podman system service --time=0, or podman.socket), or name its socket.",
    },
];
