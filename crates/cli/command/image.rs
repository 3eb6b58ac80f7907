//! `ckptfx image`: an OCI image that engines restore, and what they will say to it.

use std::{
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use ckptfx_analysis::{Case, Text, container::dated};
use ckptfx_capture::image::{self, Entry, Form, Image, Kind, Origin, record::Record};
use ckptfx_parser::{Checkpoint, Diagnostic, Parent, archive::MemberKind, proto::core_entry::March};
use ckptfx_report::{
    Head,
    schema::{Document, List, of},
    untrusted::show,
};
use clap::Args;

#[cfg(feature = "capture")]
use ckptfx_capture::{
    push::{self, Registry},
    stop,
};

use crate::{
    args::{Common, Format},
    checkpoints::only_checkpoint,
    diagnostics::finish_diagnostics,
    named::open_one,
    outcome::Outcome,
    progress::Bars,
    render::{Output, table},
    spec::{Command, Group},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "image",
    aliases: &[],
    group: Group::Capture,
    about: "Make a container image that CRI-O, containerd or Podman restores",
    usage: None,
    notes: "The image has the archive's own files in one layer and the annotations by which CRI-O, containerd and Podman
know a checkpoint. What each of them will refuse, and what it needs on the node, is shown; nothing is written
unless --out, -o oci-dir, -o oci-archive or --push asks for it. The same archive gives the same image, bit by bit.

--push needs no engine. Credentials are those that podman login or docker login wrote; programs that keep
credentials are not started. An image holds all secrets of the processes: use a registry of your own.",
    examples: &["ckptfx image archive.tar", "ckptfx image archive.tar -o oci-archive --out shop.oci.tar --name registry.local/forensics/shop:1", "ckptfx image archive.tar -o oci-dir --out shop-oci --pod-manifest restore.yaml", "ckptfx image archive.tar --push registry.example/forensics/shop:1 --pod-manifest restore.yaml", "ckptfx image archive.tar -o json | jq '.images[].engines'"],
    arguments: ImageArgs::augment_args,
    formats: &[Format::Table, Format::Json, Format::Jsonl, Format::Csv, Format::OciDir, Format::OciArchive],
    result: Some(Document::of(&[COLLECTION])),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `image` takes.
#[derive(Debug, Args)]
pub struct ImageArgs {
    /// Archive, directory, or - for standard input.
    #[arg(value_name = "ARCHIVE")]
    pub archive: PathBuf,
    /// Output path, which must not exist. A name ending in .tar gets an archive, any other a
    /// directory, unless -o says otherwise. With -o alone, it is named after the archive.
    #[arg(long, value_name = "PATH")]
    pub out: Option<PathBuf>,
    /// Name of the container image.
    #[arg(long, value_name = "REPOSITORY:TAG")]
    pub name: Option<String>,
    /// Write a pod manifest that restores the image.
    #[arg(long, value_name = "FILE")]
    pub pod_manifest: Option<PathBuf>,
    #[cfg(feature = "capture")]
    #[command(flatten)]
    pub push: PushArgs,
}

/// Where `image` sends an image.
#[cfg(feature = "capture")]
#[derive(Debug, Args)]
#[command(next_help_heading = "Registry")]
pub struct PushArgs {
    /// Push the image to a registry under this name.
    #[arg(long, value_name = "REGISTRY/REPO:TAG")]
    pub push: Option<String>,
    /// Credentials file (default: $REGISTRY_AUTH_FILE, containers/auth.json, ~/.docker/config.json).
    #[arg(long, value_name = "FILE", requires = "push", hide_short_help = true)]
    pub auth_file: Option<PathBuf>,
    /// CA certificate for the registry (PEM), in addition to the system's.
    #[arg(long, value_name = "FILE", requires = "push", hide_short_help = true)]
    pub registry_ca: Option<PathBuf>,
    /// Use plain HTTP with a registry on this machine.
    #[arg(long, requires = "push", hide_short_help = true)]
    pub plain_http: bool,
    /// Accept any certificate, and with --plain-http any machine: anyone on the path can then read the image.
    #[arg(long, requires = "push", hide_short_help = true)]
    pub insecure: bool,
}

const COLLECTION: List = List {
    name: "images",
    record: of::<Record>,
    columns: &[
        "name",
        "digest",
        "layer_digest",
        "layer_diff_id",
        "layer_bytes",
        "architecture",
        "written",
        "path",
        "pushed",
    ],
};

pub fn run(args: &ImageArgs, common: &Common) -> Result<Outcome> {
    let place = place(args, common)?;
    // The report is a table when -o names the form of the image.
    let common = &match common.output {
        Format::OciDir | Format::OciArchive => {
            Common { output: Format::Table, out_file: None, ..common.clone() }
        }
        _ => common.clone(),
    };
    let bars = Bars::new(common.quiet);
    let opened = open_one(&args.archive, common, &bars)?;
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
    #[cfg(feature = "capture")]
    let target = args.push.push.clone();
    #[cfg(not(feature = "capture"))]
    let target = None;
    let name = args.name.clone().or(target).unwrap_or_else(|| default_name(&origin));
    // Without a place the layer is still made, for its digest.
    let beside = place.as_ref().map_or_else(|| std::env::temp_dir().join("image"), |(_, path)| path.clone());
    let image = Image::build(&entries, &origin, &beside)?;
    if let Some((form, path)) = &place {
        image::write(&image, &name, *form, path)?;
    }
    #[cfg(feature = "capture")]
    let pushed = push(&args.push, &image)?;
    #[cfg(not(feature = "capture"))]
    let pushed = None;
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
        written: place.as_ref().map(|(form, _)| match form {
            Form::Directory => "oci-dir",
            Form::Archive => "oci-archive",
        }),
        path: place.map(|(_, path)| path.to_string_lossy().as_ref().into()),
        pushed,
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

/// What to write, and where: as `-o` says, or by the name of the place.
fn place(args: &ImageArgs, common: &Common) -> Result<Option<(Form, PathBuf)>> {
    let wished = match common.output {
        Format::OciDir => Some(Form::Directory),
        Format::OciArchive => Some(Form::Archive),
        _ => None,
    };
    let Some(form) = wished else {
        let is_tar = |path: &Path| path.extension().is_some_and(|extension| extension == "tar");
        let form = |path: &Path| if is_tar(path) { Form::Archive } else { Form::Directory };
        return Ok(args.out.as_ref().map(|path| (form(path), path.clone())));
    };
    if let Some(path) = args.out.as_ref().or(common.out_file.as_ref()) {
        return Ok(Some((form, path.clone())));
    }
    let name = args.archive.file_name().unwrap_or_default().to_string_lossy();
    let stem = name.split(".tar").next().filter(|stem| !stem.is_empty() && name != "-");
    let stem = stem.context("the evidence has no name to call the image after; give one with --out")?;
    let suffix = if form == Form::Archive { ".oci.tar" } else { ".oci" };
    Ok(Some((form, format!("{stem}{suffix}").into())))
}

/// Sends the image where it was asked for.
#[cfg(feature = "capture")]
fn push(args: &PushArgs, image: &Image) -> Result<Option<Text>> {
    let Some(name) = &args.push else { return Ok(None) };
    let registry = Registry {
        name: name.clone(),
        plain_http: args.plain_http,
        insecure: args.insecure,
        ca: args.registry_ca.clone(),
        auth_file: args.auth_file.clone(),
    };
    let sent = stop::block_on(async |stop| push::push(image, &registry, &stop).await, |_| {})??;
    Ok(Some(sent.reference.as_str().into()))
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
        checkpointed: dated::checkpointed(checkpoint).map(|found| found.time),
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
            let pieces = member.pieces();
            let cut = member.is_cut() || pieces.is_err();
            let kind = match member.kind {
                MemberKind::Directory => Kind::Directory,
                MemberKind::File => Kind::File(member.size, pieces.unwrap_or_default()),
                _ => Kind::Other,
            };
            let mtime = member.archived_mtime().and_then(|time| u64::try_from(time).ok()).unwrap_or(0);
            Some(Found { cut, entry: Entry { path, kind, mode: member.mode, mtime } })
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
    writeln!(output, "Image         {}", show(&record.name.0))?;
    match (record.written, &record.path) {
        (Some(form), Some(path)) => writeln!(output, "Written       {} ({form})", show(&path.0))?,
        _ => writeln!(output, "Written       no")?,
    }
    if let Some(reference) = &record.pushed {
        writeln!(output, "Pushed        {}", show(&reference.0))?;
    }
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
