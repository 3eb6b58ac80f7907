//! Explanations as they are reported.

use ckptfx_parser::text::Text;
use schemars::JsonSchema;
use serde::Serialize;

use super::Explanation;

/// A line of the input that is understood, or the error that ended the dump when none is.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Record {
    /// Stable kebab-case name of the cause; `unknown` for an error that the table does not have.
    pub code: &'static str,
    /// Which program said it: `connection`, `api-server`, `kubelet`, `runtime` or `criu`.
    pub stage: &'static str,
    /// What happened, in a plain sentence.
    pub why: Text,
    /// What to do; null when nothing needs to be done, or nothing is known.
    pub fix: Option<Text>,
    /// Whether it says something about the workload itself, as a process that was already being traced does.
    pub finding: bool,
    /// Whether the same request may succeed without any change.
    pub retry: bool,
    /// Number of the line in the input, from 1.
    pub line: usize,
    /// The line.
    pub matched: Text,
    /// Lines right beside it that belong to it, such as what `iptables-restore` complained of.
    pub context: Vec<Text>,
}

impl From<Explanation> for Record {
    fn from(explanation: Explanation) -> Self {
        Self {
            code: explanation.code,
            stage: explanation.stage.name(),
            why: explanation.why.as_str().into(),
            fix: explanation.fix.map(|fix| fix.as_str().into()),
            finding: explanation.finding,
            retry: explanation.retry,
            line: explanation.line,
            matched: explanation.matched.into(),
            context: explanation.context.into_iter().map(Into::into).collect(),
        }
    }
}
