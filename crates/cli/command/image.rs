//! `ckptfx image`: an OCI image that engines restore, and what they will say to it.

use std::{collections::BTreeMap, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path};

use anyhow::{Context as _, Result, bail};
use ckptfx_analysis::{
    Case, Text,
    report::{self, Head},
};
use ckptfx_capture::image::{self, Entry, Form, Image, Kind, Origin, Verdict};
use ckptfx_parser::{Checkpoint, Diagnostic, Parent, archive::MemberKind, proto::core_entry::March};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Outcome, finish_diagnostics, only_checkpoint};
use crate::{
    args::{Common, Format, ImageArgs},
    evidence,
    progress::Bars,
    render::{Collection, Output, table},
    untrusted::show,
};

const COLLECTION: Collection = Collection {
    name: "images",
    columns: &["name", "digest", "layer_digest", "layer_diff_id", "layer_bytes", "architecture", "written"],
};

/// An image made of the checkpoint.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Record {
    /// Name under which it is stored.
    name: Text,
    /// Digest of its manifest, `sha256:…`.
    digest: String,
    /// Digest of its layer as stored, gzip-compressed.
    layer_digest: String,
    /// Digest of its layer before compression.
    layer_diff_id: String,
    /// Size of the layer as stored, in bytes.
    layer_bytes: u64,
    /// Architecture in the words of images: `amd64`, `arm64`, …
    architecture: String,
    /// Annotations of its manifest.
    annotations: BTreeMap<String, Text>,
    /// What each engine will do with it.
    engines: Vec<EngineFacts>,
    /// Members of the archive that are not in it, since engines refuse images that have such.
    left_out: Vec<Text>,
    /// `oci-dir` or `oci-archive`; null when it was not written.
    written: Option<&'static str>,
}

/// What an engine will do with the image.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct EngineFacts {
    /// `cri-o`, `containerd` or `podman`.
    engine: &'static str,
    /// Whether it takes the image, where what it needs is there.
    restores: bool,
    /// Why it refuses the image, in plain sentences.
    refuses: Vec<Text>,
    /// What must be so on the node or in the pod.
    needs: Vec<Text>,
}

impl From<Verdict> for EngineFacts {
    fn from(verdict: Verdict) -> Self {
        let texts = |sentences: Vec<String>| sentences.iter().map(|text| text.as_str().into()).collect();
        Self {
            engine: verdict.engine.name(),
            restores: verdict.refuses.is_empty(),
            refuses: texts(verdict.refuses),
            needs: texts(verdict.needs),
        }
    }
}

pub fn run(args: &ImageArgs, common: &Common) -> Result<Outcome> {
    let form = form(args)?;
    // The report is a table when -o names the form of the image.
    let report = match args.output {
        Format::OciDir | Format::OciArchive => Format::Table,
        other => other,
    };
    let common = &Common { output: report, ..common.clone() };
    let bars = Bars::new(common.quiet);
    let opened = evidence::open(&args.archive, common, &bars)?;
    let checkpoint = only_checkpoint(&opened)?;
    let mut case = Case::read(checkpoint);
    case.diagnostics.splice(0..0, opened.evidence.diagnostics.iter().cloned());
    let architecture = architecture(&case).context(
        "the images do not tell the architecture of the processes, so no node could be chosen for it",
    )?;
    let origin = origin(checkpoint, architecture);
    let entries = entries(checkpoint);
    for member in &entries {
        if member.cut {
            case.diagnostics.push(Diagnostic::loss(
                "truncated-member",
                String::from_utf8_lossy(&member.entry.path).into_owned(),
                "the member is cut; what is missing is zero in the image",
            ));
        }
    }
    let entries: Vec<Entry> = entries.into_iter().map(|member| member.entry).collect();
    let name = args.name.clone().unwrap_or_else(|| default_name(&origin));
    // Without --out the layer is still made, for its digest.
    let beside = args.out.clone().unwrap_or_else(|| std::env::temp_dir().join("image"));
    let image = Image::build(&entries, &origin, &beside)?;
    if let (Some(path), Some(form)) = (&args.out, form) {
        image::write(&image, &name, form, path)?;
    }
    if let Some(path) = &args.pod_manifest {
        write_new(path, image::pod_manifest(&origin, &name).as_bytes())?;
    }
    let record = Record {
        name: name.as_str().into(),
        digest: image.descriptor.digest,
        layer_digest: image.layer_descriptor.digest,
        layer_diff_id: image.diff_id,
        layer_bytes: image.layer_descriptor.size,
        architecture: origin.architecture.clone(),
        annotations: image
            .annotations
            .iter()
            .map(|(key, value)| (key.clone(), value.as_str().into()))
            .collect(),
        engines: image::verdicts(&entries, &origin).into_iter().map(Into::into).collect(),
        left_out: image.left_out.into_iter().map(Into::into).collect(),
        written: form.map(|form| match form {
            Form::Directory => "oci-dir",
            Form::Archive => "oci-archive",
        }),
    };
    let mut output = Output::new(common, COLLECTION, false)?;
    output.begin(&Head::new("image", &opened.evidence, checkpoint, opened.sha256.clone()))?;
    if output.is_table() {
        write_table(&record, &mut output)?;
    }
    output.record(&record)?;
    let warnings = finish_diagnostics(&case.diagnostics, common);
    output.end(&warnings)?;
    output.finish()?;
    let partly = warnings.iter().any(|warning| warning.partial);
    Ok(if partly { Outcome::Partly } else { Outcome::Done })
}

/// The form to write: as `-o` says, or by the path.
fn form(args: &ImageArgs) -> Result<Option<Form>> {
    Ok(match (args.output, &args.out) {
        (Format::OciDir | Format::OciArchive, None) => bail!("where to? Name a place with --out"),
        (Format::OciDir, Some(_)) => Some(Form::Directory),
        (Format::OciArchive, Some(_)) => Some(Form::Archive),
        (_, Some(path)) if path.extension().is_some_and(|extension| extension == "tar") => {
            Some(Form::Archive)
        }
        (_, Some(_)) => Some(Form::Directory),
        (_, None) => None,
    })
}

/// Architecture of the processes in the words of images.
fn architecture(case: &Case<'_>) -> Option<&'static str> {
    let machine = case.tasks.iter().find_map(|task| March::try_from(task.core.as_ref()?.mtype?).ok())?;
    Some(match machine {
        March::X8664 => "amd64",
        March::Arm => "arm",
        March::Aarch64 => "arm64",
        March::Ppc64 => "ppc64le",
        March::S390 => "s390x",
        March::Mips => "mips64le",
        March::Loongarch64 => "loong64",
        March::Riscv64 => "riscv64",
        March::Unknown => return None,
    })
}

fn origin(checkpoint: &Checkpoint, architecture: &str) -> Origin {
    let container = &checkpoint.container;
    Origin {
        engine: container.engine.name().to_owned(),
        container: container.name.clone(),
        pod: container.pod.clone(),
        namespace: container.namespace.clone(),
        image: container.image.clone(),
        runtime: container.runtime.clone(),
        checkpointed: report::checkpointed(checkpoint).map(|(time, _)| time),
        architecture: architecture.to_owned(),
        is_pre_dump: checkpoint.is_pre_dump,
        needs_parent: !matches!(checkpoint.images.parent, Parent::None),
        spec: container.spec.clone(),
        config: container.config.clone(),
    }
}

/// A member, and whether bytes of it are missing.
struct Found {
    entry: Entry,
    cut: bool,
}

/// The members of this checkpoint by their path below its root.
fn entries(checkpoint: &Checkpoint) -> Vec<Found> {
    const SPEC: &[u8] = b"spec.dump";
    let spec = checkpoint.engine_file("spec.dump");
    let base = spec.and_then(|member| member.path.strip_suffix(SPEC)).unwrap_or_default();
    let members = checkpoint.archive().members().iter();
    members
        .filter_map(|member| {
            let path = member.path.strip_prefix(base).filter(|path| !path.is_empty())?.to_vec();
            let kind = match member.kind {
                MemberKind::Directory => Kind::Directory,
                MemberKind::File => Kind::File(member.size, member.pieces()),
                _ => Kind::Other,
            };
            let mtime = member.archived_mtime().and_then(|time| u64::try_from(time).ok()).unwrap_or(0);
            Some(Found { cut: member.is_cut(), entry: Entry { path, kind, mode: member.mode, mtime } })
        })
        .collect()
}

/// `localhost/checkpoint/CONTAINER:TIME`.
fn default_name(origin: &Origin) -> String {
    let container = origin.container.as_deref().unwrap_or("container").to_ascii_lowercase();
    let harmless = |character: char| if character.is_ascii_alphanumeric() { character } else { '-' };
    let container: String = container.chars().map(harmless).take(64).collect();
    let tag = origin
        .checkpointed
        .map_or_else(|| "latest".to_owned(), |time| time.strftime("%Y%m%dT%H%M%SZ").to_string());
    format!("localhost/checkpoint/{}:{tag}", container.trim_matches('-'))
}

/// Writes a file that must be new.
fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    let at = || format!("cannot write {}", path.display());
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).with_context(at)?;
    file.write_all(bytes).with_context(at)
}

fn write_table(record: &Record, output: &mut Output) -> Result<()> {
    let written =
        record.written.map_or_else(|| "not written".to_owned(), |form| format!("written as {form}"));
    writeln!(output, "Image         {} ({written})", show(&record.name.0))?;
    writeln!(output, "Digest        {}", record.digest)?;
    writeln!(output, "Layer         {}, {}", record.layer_digest, table::size(record.layer_bytes))?;
    writeln!(output, "Architecture  {}", record.architecture)?;
    for path in &record.left_out {
        writeln!(output, "Left out      {}", show(&path.0))?;
    }
    for engine in &record.engines {
        let verdict = if engine.restores { "restores it" } else { "refuses it" };
        writeln!(output, "\n{} {verdict}", engine.engine)?;
        for reason in &engine.refuses {
            writeln!(output, "  - {}", show(&reason.0))?;
        }
        for need in engine.needs.iter().filter(|_| engine.restores) {
            writeln!(output, "  needs {}", show(&need.0))?;
        }
    }
    Ok(())
}
