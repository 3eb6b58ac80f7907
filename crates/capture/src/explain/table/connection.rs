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
];
