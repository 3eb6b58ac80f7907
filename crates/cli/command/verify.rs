//! `ckptfx verify`: whether an archive is still the one that a report or manifest was made of.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use ckptfx_capture::manifest::Manifest;
use ckptfx_parser::Checkpoint;
use ckptfx_report::{
    DocumentHead,
    custody::{Difference, Recorded, compare},
    heads::{Verified, VerifyHead},
    schema::{About, Document, List, of},
    untrusted::show,
};
use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use super::report::members;
use crate::{
    args::{Common, Format},
    evidence, hash,
    outcome::Outcome,
    progress::Bars,
    render::{Output, table},
    sealed::{Before, Sealed},
    spec::{Command, Group},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "verify",
    aliases: &[],
    group: Group::Cases,
    about: "Verify an archive against a report or manifest",
    usage: None,
    notes: "The first file is what report -o json wrote, or the manifest of a captured archive. All differences are listed: size and SHA-256 of the archive and, where the report has them, its members that are missing, were added, or have another content.
Of a manifest in a chain the ones before it are checked, too, back to the first; without ARCHIVE the archive beside it is meant.
Neither file says who wrote it: keep it, or its SHA-256, where nobody else can write.

Exit status: 0 the same; 1 something differs; 2 one of the files cannot be read.",
    examples: &["ckptfx verify report.json archive.tar", "ckptfx verify archive.manifest.json", "ckptfx verify -o json report.json archive.tar | jq '.differences[]'"],
    arguments: VerifyArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(Document::of(&[COLLECTION]).about(About::None).heads(&[List::only::<Verified>("verified")])),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `verify` takes.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// JSON report or manifest.
    #[arg(value_name = "REPORT")]
    pub record: PathBuf,
    /// Archive or directory; optional for the archive beside a manifest.
    #[arg(value_name = "ARCHIVE")]
    pub archive: Option<PathBuf>,
}

const COLLECTION: List = List {
    name: "differences",
    record: of::<Difference>,
    columns: &["what", "name", "problem", "expected", "actual"],
};

/// What a report or manifest says of the archive.
#[derive(Debug, Default)]
struct Record {
    schema: String,
    bytes: Option<u64>,
    sha256: Option<String>,
    /// Members of each checkpoint, by the part of the evidence that it is.
    members: Vec<(Option<String>, Vec<Recorded>)>,
}

#[derive(Deserialize)]
struct ReportDocument {
    evidence: ReportEvidence,
    custody: ReportCustody,
}

#[derive(Deserialize)]
struct ReportEvidence {
    bytes: u64,
    sha256: Option<String>,
    part: Option<String>,
}

#[derive(Deserialize)]
struct ReportCustody {
    members: Vec<Recorded>,
}

impl Record {
    fn read(text: &[u8]) -> Result<Self> {
        let value: Value = serde_json::from_slice(text).context("it is no JSON")?;
        let documents = match value {
            Value::Array(documents) => documents,
            document => vec![document],
        };
        let mut record = Self::default();
        for document in documents {
            let schema = document.get("schema").and_then(Value::as_str).unwrap_or_default().to_owned();
            match schema.as_str() {
                "ckptfx.report.v1" => {
                    let document: ReportDocument =
                        serde_json::from_value(document).context("it lacks a key")?;
                    record.bytes = Some(document.evidence.bytes);
                    record.sha256 = document.evidence.sha256;
                    record.members.push((document.evidence.part, document.custody.members));
                }
                "ckptfx.manifest.v1" => {
                    let manifest: Manifest = serde_json::from_value(document).context("it lacks a key")?;
                    record.bytes = manifest.archive.bytes;
                    record.sha256 = manifest.archive.sha256;
                }
                _ => bail!("it is neither what report -o json writes nor a manifest"),
            }
            record.schema = schema;
        }
        if record.sha256.is_none() && record.members.is_empty() {
            bail!("it has no hash to compare");
        }
        Ok(record)
    }
}

pub fn run(args: &VerifyArgs, common: &Common) -> Result<Outcome> {
    let context = || format!("cannot use {}", args.record.display());
    let sealed = Sealed::read(&args.record).with_context(context)?;
    let path = match (&args.archive, &sealed) {
        (Some(path), _) => path.clone(),
        (None, Some(sealed)) => sealed.archive()?,
        (None, None) => bail!("name the archive, too: {} is no manifest beside one", args.record.display()),
    };
    evidence::refuse_to_overwrite(&[path.clone(), args.record.clone()], common)?;
    let name = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let text = fs::read(&args.record).with_context(context)?;
    let record = Record::read(&text).with_context(context)?;
    let mut differences = Vec::new();
    let archive = name(&path);
    let mut say = |problem, expected: Option<String>, actual: Option<String>| {
        differences.push(Difference { what: "archive", name: archive.clone(), problem, expected, actual });
    };
    let metadata = path.metadata().with_context(|| format!("cannot read {}", path.display()))?;
    let sha256 = metadata.is_file().then(|| hash::hash_file(&path)).transpose()?;
    let mut bytes = metadata.is_file().then_some(metadata.len());
    let mut compared = 0;
    let mut of_members = Vec::new();
    // A manifest has no members, and needs no archive that can be read.
    if !record.members.is_empty() || bytes.is_none() {
        match evidence::open(&path, common, &Bars::new(common.quiet)) {
            Ok(opened) => {
                bytes = bytes.or(Some(opened.evidence.bytes));
                let found = compare_members(&record, &opened.evidence.checkpoints);
                for part in found.unrecorded {
                    say("added", None, Some(format!("checkpoint {part}")));
                }
                compared = found.compared;
                of_members = found.differences;
            }
            Err(error) => say("unreadable", None, Some(format!("{error:#}"))),
        }
    }
    if record.bytes.is_some() && bytes.is_some() && record.bytes != bytes {
        say("size", record.bytes.map(|bytes| bytes.to_string()), bytes.map(|bytes| bytes.to_string()));
    }
    if record.sha256.is_some() && record.sha256 != sha256 {
        say("sha256", record.sha256.clone(), sha256.clone());
    }
    differences.append(&mut of_members);
    let manifests = sealed.map_or(Ok(0), |sealed| check_chain(sealed, &mut differences))?;
    let verified = Verified {
        record: name(&args.record),
        record_schema: record.schema,
        record_sha256: hash::hash_bytes(&text),
        archive,
        bytes,
        sha256,
        members: compared,
        manifests,
        same: differences.is_empty(),
    };
    write(&verified, &differences, common)?;
    Ok(if verified.same { Outcome::Done } else { Outcome::DIFFERENT })
}

/// Goes back through a chain to its first manifest, or to where it breaks; gives how many were as recorded.
fn check_chain(last: Sealed, differences: &mut Vec<Difference>) -> Result<usize> {
    let mut current = last;
    let mut checked = 0;
    loop {
        match current.before()? {
            Before::None => return Ok(checked),
            // Its number is one less than that of the one after it, so that this ends.
            Before::Same(before) => {
                checked += 1;
                current = *before;
            }
            Before::Other { name, expected, actual } => {
                let problem = if actual.is_some() { "sha256" } else { "missing" };
                differences.push(Difference { what: "manifest", name, problem, expected, actual });
                return Ok(checked);
            }
        }
    }
}

/// What a comparison of members found.
struct Compared {
    /// How many were recorded.
    compared: usize,
    differences: Vec<Difference>,
    /// Checkpoints that the record does not have.
    unrecorded: Vec<String>,
}

fn compare_members(record: &Record, checkpoints: &[Checkpoint]) -> Compared {
    let is_one_of_many = checkpoints.len() > 1;
    let part_of = |checkpoint: &Checkpoint| checkpoint.label.clone().filter(|_| is_one_of_many);
    let mut differences: Vec<Difference> = Vec::new();
    let mut compared = 0;
    for (part, recorded) in &record.members {
        let found = checkpoints.iter().find(|checkpoint| part_of(checkpoint) == *part);
        let now: Vec<Recorded> = found
            .map(|checkpoint| members(checkpoint.archive()).iter().map(Recorded::from).collect())
            .unwrap_or_default();
        compared += recorded.len();
        // Checkpoints of one archive have its members in common.
        for difference in compare(recorded, &now) {
            if !differences.contains(&difference) {
                differences.push(difference);
            }
        }
    }
    let is_unrecorded = |part: &Option<String>| {
        !record.members.is_empty() && record.members.iter().all(|(recorded, _)| recorded != part)
    };
    let unrecorded = checkpoints.iter().map(part_of).filter(is_unrecorded);
    Compared {
        compared,
        differences,
        unrecorded: unrecorded.map(|part| part.unwrap_or_else(|| "without a name".to_owned())).collect(),
    }
}

fn write(verified: &Verified, differences: &[Difference], common: &Common) -> Result<()> {
    let mut output = Output::new(common, COLLECTION, false)?;
    if output.is_table() {
        write_table(verified, differences, &mut output)?;
    } else {
        output.begin_document(&VerifyHead { document: DocumentHead::new("verify"), verified })?;
        differences.iter().try_for_each(|difference| output.record(difference))?;
        output.end(&[])?;
    }
    output.finish()
}

fn write_table(verified: &Verified, differences: &[Difference], output: &mut Output) -> Result<()> {
    let (archive, record) = (show(verified.archive.as_bytes()), show(verified.record.as_bytes()));
    if verified.same {
        let hash = verified.sha256.as_deref().map(|hash| format!(", sha256 {hash}")).unwrap_or_default();
        let members = match verified.members {
            0 => String::new(),
            count => format!(", {count} members"),
        };
        writeln!(output, "{archive} is what {record} was made of{members}{hash}")?;
        match verified.manifests {
            0 => {}
            1 => writeln!(output, "and the manifest before it in its chain is as it was sealed")?,
            count => {
                writeln!(output, "and the {count} manifests before it in its chain are as they were sealed")?
            }
        }
        return Ok(());
    }
    writeln!(output, "{archive} is NOT what {record} was made of")?;
    let mut plain = table::Plain::new(&["WHAT", "PROBLEM", "NAME", "EXPECTED", "FOUND"]);
    let cell =
        |text: &Option<String>| text.as_ref().map_or_else(|| "-".to_owned(), |text| show(text.as_bytes()));
    for difference in differences {
        plain.row([
            difference.what.to_owned(),
            difference.problem.to_owned(),
            show(difference.name.as_bytes()),
            cell(&difference.expected),
            cell(&difference.actual),
        ]);
    }
    if verified.members > 0 && differences.iter().all(|difference| difference.what == "archive") {
        output.table(plain)?;
        writeln!(output, "all {} members have the content that was recorded", verified.members)?;
        return Ok(());
    }
    output.table(plain)
}
