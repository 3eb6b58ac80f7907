//! Entries of an image as JSON objects.

use prost_reflect::MessageDescriptor;
use serde_json::{Map, Value as Json, json};

use super::{
    netlink,
    numbering::Numbering,
    render::Renderer,
    schema,
    show::{self, Host},
    weight,
};
use crate::{
    Diagnostic, Limits, Reports,
    image::{
        Descriptor, Entries, Entry, Framing, ImageFile,
        framing::{self, Opened},
        payload::{self, Parts},
        registry::{Content, Payload, Raw},
    },
    netlink::Messages,
};

/// A whole image as JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct DecodedImage {
    /// CRIU's name for the kind, such as `PSTREE`.
    pub kind: &'static str,
    /// CRIU's name of the messages; `None` if the image has none.
    pub message: Option<&'static str>,
    /// The type magic in the file, such as `0x50273030`; `None` if it has none.
    pub magic: Option<String>,
    /// How the file announces itself, such as `v1.1`.
    pub framing: &'static str,
    /// The entries, one object each.
    pub entries: Vec<Json>,
}

/// An image that can be turned into JSON entry by entry, so that a big one needs little memory.
#[derive(Debug, Clone, Copy)]
pub struct Decoder<'a> {
    file: ImageFile<'a>,
    opened: Opened<'a>,
    numbering: Numbering,
}

/// Decodes a whole image. `None` if it is empty or no image; `diagnostics` says which.
pub fn decode(
    file: &ImageFile<'_>,
    numbering: Numbering,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<DecodedImage> {
    let decoder = open(file, numbering).map_err(|problem| diagnostics.push(problem)).ok()??;
    let entries = decoder.entries(diagnostics).collect();
    Some(DecodedImage {
        kind: decoder.descriptor().name,
        message: decoder.descriptor().message(),
        magic: decoder.magic(),
        framing: decoder.framing(),
        entries,
    })
}

/// Reads the header of an image. `Ok(None)` if the file is empty, which means the same as a missing one.
///
/// # Errors
/// The diagnostic that says why it is no image, as [`framing::open`].
pub fn open<'a>(file: &ImageFile<'a>, numbering: Numbering) -> Result<Option<Decoder<'a>>, Diagnostic> {
    Ok(framing::open(file)?.map(|opened| Decoder { file: *file, opened, numbering }))
}

impl<'a> Decoder<'a> {
    /// What the image is.
    #[must_use]
    pub fn descriptor(&self) -> &'static Descriptor {
        self.opened.descriptor
    }

    /// The type magic in the file.
    #[must_use]
    pub fn magic(&self) -> Option<String> {
        self.opened.magic.map(|magic| format!("{magic:#010x}"))
    }

    /// How the file announces itself.
    #[must_use]
    pub fn framing(&self) -> &'static str {
        match self.opened.framing {
            Framing::Common => "v1.1",
            Framing::Service => "v1.1 service",
            Framing::TypeOnly => "v1",
            Framing::Plugin => "plugin",
            Framing::Raw => "raw",
        }
    }

    /// The entries, one JSON object each. What could not be read is told in `diagnostics` on the way.
    pub fn entries<'d>(
        &self,
        diagnostics: &'d mut Vec<Diagnostic>,
    ) -> impl Iterator<Item = Json> + use<'a, 'd> {
        let source = match self.source() {
            Ok(source) => source,
            Err(problem) => {
                diagnostics.push(problem);
                Source::One(None)
            }
        };
        Walk { source, name: self.file.name, reports: Reports::new(self.file.limits), diagnostics }
    }

    fn source(&self) -> Result<Source<'a>, Diagnostic> {
        let descriptor = self.opened.descriptor;
        let bytes = self.opened.content();
        let raw = match descriptor.content {
            Content::Raw(raw) => raw,
            _ => return Ok(Source::Entries(Box::new(self.messages()?))),
        };
        let hint = match raw {
            Raw::Netlink | Raw::Nfnetlink => {
                let file = ImageFile { bytes, order: self.opened.order, ..self.file };
                return Ok(Source::Netlink(Messages::new(&file, raw)?, raw));
            }
            Raw::Text => {
                let (text, escaped) = show::text(bytes);
                let mut object = json!({ "text": text });
                if let (Some(object), true) = (object.as_object_mut(), escaped) {
                    object.insert("text_b64".to_owned(), show::base64(bytes));
                }
                return Ok(Source::One(Some(object)));
            }
            Raw::Pages => "memory without any structure of its own: `ckptfx dump` writes it by address",
            Raw::AddressedPages => "memory in the layout before CRIU 1.0, which is not supported",
            Raw::Tar => "a tar archive compressed with gzip",
            Raw::KernelStruct => "a structure that depends on the build of CRIU",
        };
        Ok(Source::One(Some(json!({ "size": bytes.len(), "hint": hint }))))
    }

    fn messages(&self) -> Result<EntryDecoder<'a>, Diagnostic> {
        let descriptor = self.opened.descriptor;
        let broken =
            || Diagnostic::loss("no-schema", self.file.name, "this build has no schema for the image");
        let schema = schema::schema().ok_or_else(broken)?;
        let message = descriptor.message().and_then(|name| schema.message(name)).ok_or_else(broken)?;
        let part = match descriptor.payload {
            Payload::Messages => schema.message("ipc_msg"),
            Payload::Ghost => schema.message("ghost_chunk_entry"),
            _ => None,
        };
        Ok(EntryDecoder {
            entries: self.opened.entries(),
            renderer: Renderer { schema, host: Host { order: self.opened.order, numbering: self.numbering } },
            head: descriptor.head_message().and_then(|name| schema.message(name)),
            message,
            part,
            payload: descriptor.payload,
            limits: self.file.limits,
        })
    }
}

/// Where entries come from.
enum Source<'a> {
    Entries(Box<EntryDecoder<'a>>),
    Netlink(Messages<'a>, Raw),
    One(Option<Json>),
}

/// The iterator behind [`Decoder::entries`].
struct Walk<'a, 'd> {
    source: Source<'a>,
    name: &'a str,
    reports: Reports,
    diagnostics: &'d mut Vec<Diagnostic>,
}

impl Iterator for Walk<'_, '_> {
    type Item = Json;

    fn next(&mut self) -> Option<Json> {
        let next = match &mut self.source {
            Source::One(json) => return json.take(),
            Source::Netlink(messages, raw) => messages.next()?.map(|message| netlink::object(&message, *raw)),
            Source::Entries(decoder) => decoder.entries.next()?.map(|entry| match decoder.entry(&entry) {
                Ok(object) => Json::Object(object),
                Err(reason) => {
                    let message = format!("entry {} cannot be decoded: {reason}", entry.index);
                    let problem = Diagnostic::loss("undecodable-entry", self.name, message);
                    self.reports.push(problem.at(entry.offset), self.diagnostics);
                    json!({ "undecodable": show::base64(entry.body), "extra": show::base64(entry.payload) })
                }
            }),
        };
        next.map_err(|problem| self.diagnostics.push(problem)).ok()
    }
}

struct EntryDecoder<'a> {
    entries: Entries<'a>,
    renderer: Renderer,
    head: Option<MessageDescriptor>,
    message: MessageDescriptor,
    part: Option<MessageDescriptor>,
    payload: Payload,
    limits: &'a Limits,
}

impl EntryDecoder<'_> {
    fn entry(&self, entry: &Entry<'_>) -> Result<Map<String, Json>, String> {
        let head = if entry.index == 0 { self.head.as_ref() } else { None };
        let message = head.unwrap_or(&self.message);
        let weight = weight::shown(message, entry.body);
        if weight > self.limits.decoded_bytes {
            return Err(format!(
                "it would take {weight} bytes of memory (limit decoded-bytes; --limit decoded-bytes=N raises it)"
            ));
        }
        let mut object = self.renderer.decode(message, entry.body)?;
        if let Some(extra) = self.extra(entry) {
            object.insert("extra".to_owned(), extra);
        }
        Ok(object)
    }

    /// What follows a message.
    fn extra(&self, entry: &Entry<'_>) -> Option<Json> {
        if entry.payload.is_empty() {
            return None;
        }
        let nested = match self.payload {
            Payload::Messages => true,
            Payload::Ghost => payload::is_chunked(entry.body).unwrap_or(false),
            Payload::Semaphores => return Some(self.semaphores(entry)),
            _ => false,
        };
        match &self.part {
            Some(part) if nested => Some(Json::Array(self.parts(entry, part))),
            _ => Some(show::base64(entry.payload)),
        }
    }

    fn parts(&self, entry: &Entry<'_>, message: &MessageDescriptor) -> Vec<Json> {
        let Ok(parts) = Parts::new(self.payload, entry.body, entry.payload, entry.order) else {
            return Vec::new();
        };
        let bytes = |range| entry.payload.get(range).unwrap_or_default();
        // Damage is reported by the entries.
        parts
            .map_while(Result::ok)
            .map(|part| {
                let body = bytes(part.body);
                let mut object = self
                    .renderer
                    .decode(message, body)
                    .unwrap_or_else(|_| Map::from_iter([("undecodable".to_owned(), show::base64(body))]));
                object.insert("extra".to_owned(), show::base64(bytes(part.data)));
                Json::Object(object)
            })
            .collect()
    }

    /// The values of a semaphore set, without the padding.
    fn semaphores(&self, entry: &Entry<'_>) -> Json {
        let count = crate::wire::integer(entry.body, 2).ok().flatten().unwrap_or(0);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let values = entry.payload.chunks_exact(2).take(count);
        values.filter_map(|value| entry.order.half(value, 0)).map(Json::from).collect::<Vec<_>>().into()
    }
}

#[cfg(test)]
mod tests;
