//! The embedded schema, with what `proto/presentation.proto` adds to each field.

use std::{collections::HashMap, sync::LazyLock};

use prost_reflect::{DescriptorPool, ExtensionDescriptor, FieldDescriptor, MessageDescriptor};

use super::{presence::Shapes, show::Show};
use crate::proto;

/// A field and how to show it.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) descriptor: FieldDescriptor,
    pub(super) show: Show,
    /// CRIU declares it as required.
    pub(super) required: bool,
}

/// Every message by its full name.
#[derive(Debug)]
pub(super) struct Schema {
    pool: DescriptorPool,
    messages: HashMap<String, Vec<Field>>,
    shapes: Shapes,
}

static SCHEMA: LazyLock<Option<Schema>> = LazyLock::new(load);

/// The schema; `None` only if the build embedded a broken one.
pub(super) fn schema() -> Option<&'static Schema> {
    SCHEMA.as_ref()
}

impl Schema {
    /// A message by CRIU's name for it.
    pub(super) fn message(&self, name: &str) -> Option<MessageDescriptor> {
        self.pool.get_message_by_name(&format!("criu.{name}"))
    }

    /// What each message must have.
    pub(super) fn shapes(&self) -> &Shapes {
        &self.shapes
    }

    /// The fields of a message.
    pub(super) fn fields(&self, message: &MessageDescriptor) -> &[Field] {
        self.messages.get(message.full_name()).map(Vec::as_slice).unwrap_or_default()
    }
}

fn load() -> Option<Schema> {
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).ok()?;
    let show = pool.get_extension_by_name("ckptfx.show")?;
    let required = pool.get_extension_by_name("ckptfx.required")?;
    let messages = pool
        .all_messages()
        .filter(|message| message.package_name() == "criu")
        .map(|message| {
            let fields = message.fields().map(|descriptor| field(descriptor, &show, &required)).collect();
            (message.full_name().to_owned(), fields)
        })
        .collect();
    let shapes = Shapes::of(&messages);
    Some(Schema { pool, messages, shapes })
}

fn field(descriptor: FieldDescriptor, show: &ExtensionDescriptor, required: &ExtensionDescriptor) -> Field {
    let options = descriptor.options();
    let number = options.get_extension(show).as_enum_number().unwrap_or_default();
    Field {
        show: Show::try_from(number).unwrap_or(Show::Plain),
        required: options.get_extension(required).as_bool().unwrap_or_default(),
        descriptor,
    }
}
