//! `ckptfx decode`: any CRIU image as JSON.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::atomic::AtomicU64,
};

use anyhow::{Context as _, Result, bail};
use ckptfx_parser::{
    Checkpoint, Diagnostic,
    archive::looks_like_tar,
    dynamic::{self, Decoder, Numbering},
    image::{self, ByteOrder, ImageFile},
    proto::{self, core_entry::March},
    source::{Compression, map_file},
};
use ckptfx_report::{
    DocumentHead, Head,
    heads::{ImageFacts, ImageHead, Whence},
    schema::{About, Document, List, image_entry},
};
use clap::Args;

use crate::{
    args::{Common, Format},
    diagnostics::finish_diagnostics,
    named::open_one,
    outcome::Outcome,
    progress::Bars,
    render::Output,
    spec::{Command, Group},
};

/// The command.
pub const COMMAND: Command = Command {
    name: "decode",
    aliases: &[],
    group: Group::Reference,
    about: "Print a CRIU image as JSON",
    usage: None,
    notes: "",
    examples: &[
        "ckptfx decode archive.tar checkpoint/pstree.img",
        "ckptfx decode core-1.img",
        "ckptfx decode archive.tar files.img -o jsonl",
    ],
    arguments: DecodeArgs::augment_args,
    formats: Format::RECORDS,
    result: Some(
        Document::of(&[COLLECTION]).about(About::Maybe).heads(&[List::only::<ImageFacts<'static>>("image")]),
    ),
    run: |call| run(&call.arguments()?, call.common),
};

/// What `decode` takes.
#[derive(Debug, Args)]
pub struct DecodeArgs {
    /// Image file, or archive followed by names of images in it.
    #[arg(required = true, value_name = "IMAGE|ARCHIVE MEMBER")]
    pub operands: Vec<PathBuf>,
}

const COLLECTION: List = List { name: "entries", record: image_entry, columns: &[] };

pub fn run(args: &DecodeArgs, common: &Common) -> Result<Outcome> {
    // A table of a nested message would not say more than the JSON that people know from crit.
    let mut common = common.clone();
    match common.output {
        Format::Table => common.output = Format::Json,
        Format::Csv => bail!("an image is decoded to json or jsonl"),
        _ => {}
    }
    match args.operands.as_slice() {
        [] => bail!("an image is needed; see ckptfx decode --help"),
        [image] => decode_file(image, &common),
        [archive, members @ ..] => decode_members(archive, members, &common),
    }
}

/// Decodes an image file by itself.
fn decode_file(path: &Path, common: &Common) -> Result<Outcome> {
    let context = || format!("cannot read {}", path.display());
    if path.is_dir() {
        bail!("{} is a directory; name the image after it: ckptfx decode {0} pstree.img", path.display());
    }
    let bytes = map_file(&File::open(path).with_context(context)?).with_context(context)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let is_archive = looks_like_tar(&bytes) || Compression::detect(&bytes).is_some();
    if is_archive && image::identify(&name).is_none() {
        bail!("{} is an archive; name the image after it: ckptfx decode {0} pstree.img", path.display());
    }
    let (limits, decoded) = (common.limits(), AtomicU64::new(0));
    let file = ImageFile {
        name: &name,
        bytes: &bytes,
        order: ByteOrder::Little,
        limits: &limits,
        decoded: &decoded,
    };
    let mut output = Output::new(common, COLLECTION, false)?;
    let outcome =
        decode(&file, Numbering::default(), Whence::Alone(DocumentHead::new("decode")), common, &mut output)?;
    output.finish()?;
    Ok(outcome)
}

/// Decodes images of an archive, named by path or, in the image directory, by file name.
fn decode_members(archive: &Path, names: &[std::path::PathBuf], common: &Common) -> Result<Outcome> {
    let bars = Bars::new(common.quiet);
    let opened = open_one(archive, common, &bars)?;
    let mut outcome = Outcome::Done;
    let mut output = Output::new(common, COLLECTION, names.len() > 1)?;
    for wanted in names {
        let wanted = wanted.to_string_lossy();
        let name = wanted.rsplit('/').next().unwrap_or_default().to_owned();
        let found = opened.evidence.checkpoints.iter().find_map(|checkpoint| {
            let by_path = checkpoint.archive().file(wanted.trim_start_matches("./").as_bytes());
            let bytes = by_path.or_else(|| checkpoint.images.member(&wanted).map(|member| member.bytes()));
            let bytes = bytes.or_else(|| checkpoint.engine_file(&wanted).map(|member| member.bytes()));
            Some((checkpoint, bytes?))
        });
        let (checkpoint, bytes) =
            found.with_context(|| format!("{} has no member {wanted}", opened.evidence.name))?;
        let file = ImageFile {
            name: &name,
            bytes,
            order: checkpoint.images.order,
            limits: checkpoint.images.limits(),
            decoded: checkpoint.images.decoded(),
        };
        let head = Head::new("decode", &opened.evidence, checkpoint, opened.sha256.clone());
        let document = Whence::OfCheckpoint(Box::new(head));
        outcome = outcome.max(decode(&file, numbering(checkpoint), document, common, &mut output)?);
    }
    output.finish()?;
    Ok(outcome)
}

/// The architecture's numbers of flags, from the first process.
fn numbering(checkpoint: &Checkpoint) -> Numbering {
    let mut ignored = Vec::new();
    let core = checkpoint
        .images
        .files()
        .map(|(name, _)| name)
        .find(|name| name.starts_with("core-") && image::identify(name).is_some());
    core.and_then(|name| checkpoint.images.read_one::<proto::CoreEntry>(name, &mut ignored))
        .and_then(|core| March::try_from(core.mtype?).ok())
        .map_or_else(Numbering::default, Numbering::of)
}

fn decode(
    file: &ImageFile<'_>,
    numbering: Numbering,
    document: Whence,
    common: &Common,
    output: &mut Output,
) -> Result<Outcome> {
    let mut diagnostics: Vec<Diagnostic> = Vec::new();
    let decoder: Decoder<'_> = match dynamic::open(file, numbering) {
        Ok(Some(decoder)) => decoder,
        Ok(None) => bail!("{} is empty: CRIU had nothing to write to it", file.name),
        Err(diagnostic) => bail!("{}: {}", file.name, diagnostic.message),
    };
    let descriptor = decoder.descriptor();
    output.begin_document(&ImageHead {
        document,
        image: ImageFacts {
            name: file.name,
            kind: descriptor.name,
            message: descriptor.message(),
            magic: decoder.magic(),
            framing: decoder.framing(),
            bytes: file.bytes.len(),
        },
    })?;
    for entry in decoder.entries(&mut diagnostics) {
        output.record(&entry)?;
    }
    let warnings = finish_diagnostics(&diagnostics, common);
    output.end(&warnings)?;
    Ok(Outcome::of(&warnings))
}
