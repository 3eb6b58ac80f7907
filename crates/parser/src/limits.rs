//! How much of the evidence is believed: one table of limits, so that no number in an archive decides how much memory
//! or time the analyst's machine spends. Reaching one is reported as a loss that names the limit.

use crate::Diagnostic;

/// What is known of a limit besides its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Its name, as `--limit NAME=VALUE` takes it.
    pub name: &'static str,
    /// The value without `--limit`.
    pub default: u64,
    /// What is limited, with the unit.
    pub meaning: &'static str,
}

/// Why a limit cannot be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is no limit of that name.
    #[error("there is no limit {0}; there are: {list}", list = names())]
    Unknown(String),
    /// No limit can be zero: nothing would be read.
    #[error("the limit {0} cannot be 0")]
    Zero(&'static str),
}

fn names() -> String {
    TABLE.map(|limit| limit.name).join(", ")
}

macro_rules! limits {
    ($($field:ident: $name:literal = $default:expr, $meaning:literal;)*) => {
        /// The limits that are in force.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct Limits {
            $(#[doc = $meaning] pub $field: u64,)*
        }

        /// Every limit, in the order of the documentation.
        pub const TABLE: [Limit; [$($name),*].len()] =
            [$(Limit { name: $name, default: $default, meaning: $meaning }),*];

        impl Limits {
            /// The limits that are in force without `--limit`.
            pub const DEFAULT: Self = Self { $($field: $default),* };

            fn place(&mut self, name: &str) -> Option<(&'static str, &mut u64)> {
                match name {
                    $($name => Some(($name, &mut self.$field)),)*
                    _ => None,
                }
            }
        }
    };
}

limits! {
    members: "members" = 2 << 20, "Members of one archive, files of a directory, or records of an image stream.";
    header_bytes: "header-bytes" = 1 << 20, "Length of a long name or PAX header of a tar, in bytes.";
    directory_depth: "directory-depth" = 64, "Directories within one another, of evidence that is a directory.";
    sparse_pieces: "sparse-pieces" = 1 << 20, "Pieces of one file that a tar stores without its holes.";
    metadata_bytes: "metadata-bytes" = 16 << 20, "Size of an engine's JSON file or of an image's manifest, in bytes.";
    descriptors: "descriptors" = 1024, "Manifests and layers of one OCI or Docker image.";
    archives: "archives" = 256, "Container archives inside one pod archive.";
    compressions: "compressions" = 3, "Compressions around one archive.";
    decompressed_bytes: "decompressed-bytes" = 1 << 40, "Bytes that all compressed files of one evidence may give together.";
    decompressed_ratio: "decompressed-ratio" = 1000, "Bytes other than zeros that one compressed byte may give; a GiB more is free for all files of one evidence together.";
    parents: "parents" = 64, "Dumps that build on one another.";
    entry_bytes: "entry-bytes" = 64 << 20, "Length of one message of an image, in bytes.";
    entries: "entries" = 16 << 20, "Messages of one image.";
    decoded_bytes: "decoded-bytes" = 1 << 30, "Memory that the decoded messages of one image may take, in bytes, as estimated before they are decoded.";
    all_decoded_bytes: "all-decoded-bytes" = 4 << 30, "Memory that the decoded messages of all images of one archive may take, in bytes, as estimated; what is decoded again counts again.";
    processes: "processes" = 128 << 10, "Processes of one checkpoint.";
    threads: "threads" = 128 << 10, "Threads of all processes of one checkpoint.";
    shared_descriptors: "shared-descriptors" = 1 << 18, "Descriptors that are listed once more for each further process that shares the table they are in, and of files in flight for each further receiver.";
    holders: "holders" = 1 << 24, "Holders that are named beside the open files, sockets and queues of one checkpoint, all together.";
    chained_filters: "chained-filters" = 1 << 20, "Filters of system calls in the chains of all threads, each counted for each of them.";
    named_cgroups: "named-cgroups" = 1 << 20, "Control groups that are named beside all processes together.";
    mappings: "mappings" = 1 << 20, "Mappings of one process.";
    name_bytes: "name-bytes" = 4096, "Length of the name of an open file, in bytes; the kernel has none longer (PATH_MAX).";
    argument_bytes: "argument-bytes" = 4 << 20, "Length of a command line or an environment, in bytes.";
    all_argument_bytes: "all-argument-bytes" = 1 << 30, "Memory that the command lines and environments of all processes may take, in bytes.";
    links: "links" = 8, "Hard or symbolic links that are followed from one to the next inside an archive.";
    reports: "reports" = 100, "Warnings of one kind and severity; those that follow are counted.";
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Limits {
    /// Sets a limit by its name.
    ///
    /// # Errors
    /// When there is no such limit, or the value would let nothing through.
    pub fn set(&mut self, name: &str, value: u64) -> Result<(), Refused> {
        let (name, place) = self.place(name).ok_or_else(|| Refused::Unknown(name.to_owned()))?;
        if value == 0 {
            return Err(Refused::Zero(name));
        }
        *place = value;
        Ok(())
    }
}

/// As a length or count of something in memory.
#[must_use]
pub fn count(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// The loss that says which limit ended the reading.
#[must_use]
pub fn reached(
    code: &'static str,
    subject: impl Into<String>,
    name: &'static str,
    what: impl std::fmt::Display,
) -> Diagnostic {
    Diagnostic::loss(code, subject, format!("{what} (limit {name}; --limit {name}=N raises it)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_can_be_set_by_its_name_and_none_to_zero() {
        let mut limits = Limits::default();
        for limit in TABLE {
            assert_eq!(limits.place(limit.name).unwrap().1, &limit.default, "{}", limit.name);
            assert_eq!(limits.set(limit.name, 7), Ok(()));
            assert_eq!(limits.place(limit.name).unwrap().1, &7, "{}", limit.name);
            assert_eq!(limits.set(limit.name, 0), Err(Refused::Zero(limit.name)));
        }
        assert!(limits.set("nothing", 1).unwrap_err().to_string().contains("decoded-bytes"));
    }
}
