//! Who found something, and what it is told with.

use std::fmt;

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

/// Who found it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Origin {
    /// A detection of ckptfx.
    #[default]
    Rule,
    /// A Sigma rule that was given.
    Sigma {
        /// Its id, or its title where it has none.
        rule: String,
        /// When its author last changed it, as the rule says; null when it does not.
        version: Option<String>,
    },
    /// A YARA rule that was given.
    Yara {
        /// Its name.
        rule: String,
        /// The file that it is from.
        namespace: String,
    },
}

impl Origin {
    /// The kind of rule, in a word.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Sigma { .. } => "sigma",
            Self::Yara { .. } => "yara",
        }
    }
}

/// What findings are told with; in JSON `process-14`, `file-system` or `container`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Story {
    /// The container as a whole.
    Container,
    /// Its files.
    FileSystem,
    /// A process.
    Process(u32),
}

impl fmt::Display for Story {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container => formatter.write_str("container"),
            Self::FileSystem => formatter.write_str("file-system"),
            Self::Process(pid) => write!(formatter, "process-{pid}"),
        }
    }
}

impl Serialize for Story {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl JsonSchema for Story {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Story".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}
