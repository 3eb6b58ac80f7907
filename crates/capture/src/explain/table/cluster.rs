//! What API servers and kubelets answer. A kubelet's answers pass through an API server unchanged.

use super::super::rule::{
    Kind::{Fix, Retry},
    Rule,
    Stage::{ApiServer, Kubelet},
};

pub const RULES: &[Rule] = &[
    Rule {
        code: "api-forbidden",
        stage: ApiServer,
        kind: Fix,
        pattern: "is forbidden: User \"{user}\" cannot {verb} resource \"{resource}\"",
        why: "The API server does not let {user} {verb} {resource}.",
        fix: "Bind a role that allows the verb \"{verb}\" on \"{resource}\": for a checkpoint the role of \
              docs/capture/trigger-rbac.yaml, for the copy that of docs/capture/fetch-rbac.yaml.",
    },
    Rule {
        code: "pod-security",
        stage: ApiServer,
        kind: Fix,
        pattern: "violates PodSecurity {level}: {reason}",
        why: "The namespace does not allow the pod that would copy the archive: its Pod Security level is {level}, and the \
              pod mounts a directory of the node.",
        fix: "Make it in a namespace of its own whose level is privileged, as docs/capture/fetch-rbac.yaml does, and name that \
              with --fetch-namespace.",
    },
    Rule {
        code: "node-not-found",
        stage: ApiServer,
        kind: Fix,
        pattern: "nodes \"{node}\" not found",
        why: "The cluster has no node {node}.",
        fix: "The pod may have been moved or its node removed: look at it again with kubectl get pod -o wide.",
    },
    Rule {
        code: "pod-not-found",
        stage: ApiServer,
        kind: Fix,
        pattern: "pods \"{pod}\" not found",
        why: "There is no pod {pod} in that namespace.",
        fix: "Check the namespace (-n) and the name; a pod of a deployment gets a new name whenever it is replaced.",
    },
    Rule {
        code: "kubelet-unreachable",
        stage: ApiServer,
        kind: Retry,
        pattern: "error trying to reach service: {reason}",
        why: "The API server could not reach the kubelet: {reason}.",
        fix: "The node may be down or isolated, or port 10250 is closed to the control plane. If the node can be reached from \
              here, go straight to its kubelet with --kubelet, or run ckptfx capture --cri on the node.",
    },
    Rule {
        code: "kubelet-forbidden",
        stage: Kubelet,
        kind: Fix,
        pattern: "Forbidden (user={user}, verb={verb}, resource={resource}, subresource",
        why: "The kubelet does not let {user} create nodes/checkpoint. Through the API server this user is the API server's \
              own identity towards kubelets; nodes/proxy alone does not allow checkpoints.",
        fix: "Bind a ClusterRole with the verb create on nodes/checkpoint (docs/capture/kubelet-rbac.yaml) to {user}.",
    },
    Rule {
        code: "kubelet-no-attributes",
        stage: Kubelet,
        kind: Fix,
        pattern: "Authorization error: could not determine attributes",
        why: "The kubelet could not tell what the request asks for.",
        fix: "Check the path of the request: /checkpoint/NAMESPACE/POD/CONTAINER.",
    },
    Rule {
        code: "kubelet-authorization-failed",
        stage: Kubelet,
        kind: Retry,
        pattern: "Authorization error (user={user}, verb",
        why: "The kubelet could not ask the API server whether {user} may take checkpoints.",
        fix: "Try again when the API server can be reached from the node.",
    },
    Rule {
        code: "feature-gate-off",
        stage: Kubelet,
        kind: Fix,
        pattern: "404 page not found",
        why: "The kubelet has no checkpoint endpoint: the feature gate ContainerCheckpoint is off (it is on by default since \
              Kubernetes 1.30), its debugging handlers are off, or this is its read-only port.",
        fix: "Start the kubelet with --feature-gates=ContainerCheckpoint=true and without enableDebuggingHandlers: false, and \
              use port 10250. On the node itself ckptfx capture --cri works without the kubelet.",
    },
    Rule {
        code: "bad-path",
        stage: Kubelet,
        kind: Fix,
        pattern: "404: Page Not Found",
        why: "The request does not name a namespace, a pod and a container.",
        fix: "The path is /checkpoint/NAMESPACE/POD/CONTAINER.",
    },
    Rule {
        code: "pod-unknown-to-kubelet",
        stage: Kubelet,
        kind: Fix,
        pattern: "pod does not exist",
        why: "The kubelet of this node does not know the pod.",
        fix: "Check namespace and pod name, and that the pod runs on this node: it may have been replaced or moved.",
    },
    Rule {
        code: "bad-timeout",
        stage: Kubelet,
        kind: Fix,
        pattern: "cannot parse value of timeout parameter",
        why: "The kubelet takes the timeout only as a whole number of seconds.",
        fix: "Give --timeout in seconds.",
    },
    Rule {
        code: "timeout-not-positive",
        stage: Kubelet,
        kind: Fix,
        pattern: "CheckpointContainer requires the timeout value to be > 0",
        why: "The timeout is negative.",
        fix: "Give a --timeout above zero; one below the kubelet's own limit of two minutes has no effect.",
    },
    Rule {
        code: "method-not-allowed",
        stage: Kubelet,
        kind: Fix,
        pattern: "405: Method Not Allowed",
        why: "The checkpoint endpoint takes POST only.",
        fix: "Send a POST without a body.",
    },
    Rule {
        code: "not-acceptable",
        stage: Kubelet,
        kind: Fix,
        pattern: "Available representations: application/json",
        why: "The request does not accept JSON, which is all that the kubelet gives.",
        fix: "Send Accept: application/json; a proxy in between may have changed the header.",
    },
    Rule {
        code: "not-acceptable",
        stage: Kubelet,
        kind: Fix,
        pattern: "415: Unsupported Media Type",
        why: "The request does not accept JSON, which is all that the kubelet gives.",
        fix: "Send Accept: application/json; a proxy in between may have changed the header.",
    },
    Rule {
        code: "not-acceptable",
        stage: Kubelet,
        kind: Fix,
        pattern: "406: Not Acceptable",
        why: "The request does not accept JSON, which is all that the kubelet gives.",
        fix: "Send Accept: application/json; a proxy in between may have changed the header.",
    },
];
