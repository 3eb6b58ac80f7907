//! The embedded schema, with what `proto/presentation.proto` adds to each field.

use std::{collections::HashMap, sync::LazyLock};

use prost_reflect::{DescriptorPool, ExtensionDescriptor, FieldDescriptor, MessageDescriptor};

use super::presentation::Show;
use crate::proto;

/// A field and how to show it.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) descriptor: FieldDescriptor,
    pub(super) show: Show,
    /// CRIU declares it as required.
    pub(super) required: bool,
}

/// Every message with its fields.
#[derive(Debug)]
pub(super) struct Schema {
    pool: DescriptorPool,
    messages: Vec<(MessageDescriptor, Vec<Field>)>,
    /// Where in the list each is, by its full name.
    places: HashMap<String, usize>,
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

    /// Every message with its fields, in the order of the list.
    pub(super) fn messages(&self) -> &[(MessageDescriptor, Vec<Field>)] {
        &self.messages
    }

    /// Where in the list of messages one is, by its full name.
    pub(super) fn place_of(&self, full_name: &str) -> Option<usize> {
        self.places.get(full_name).copied()
    }

    /// The fields of a message.
    pub(super) fn fields(&self, message: &MessageDescriptor) -> &[Field] {
        let place = self.place_of(message.full_name());
        let found = place.and_then(|place| self.messages.get(place));
        found.map(|(_, fields)| fields.as_slice()).unwrap_or_default()
    }

    /// Where in the list of messages one is, by CRIU's name for it.
    pub(super) fn place(&self, name: &str) -> Option<usize> {
        self.place_of(&format!("criu.{name}"))
    }

    /// The message at a place of the list.
    pub(super) fn at(&self, place: usize) -> Option<&MessageDescriptor> {
        self.messages.get(place).map(|(message, _)| message)
    }
}

fn load() -> Option<Schema> {
    let pool = DescriptorPool::decode(proto::DESCRIPTORS).ok()?;
    let show = pool.get_extension_by_name("ckptfx.show")?;
    let required = pool.get_extension_by_name("ckptfx.required")?;
    let messages: Vec<(MessageDescriptor, Vec<Field>)> = pool
        .all_messages()
        .filter(|message| message.package_name() == "criu")
        .map(|message| {
            let fields = message.fields().map(|descriptor| field(descriptor, &show, &required)).collect();
            (message, fields)
        })
        .collect();
    let names = messages.iter().enumerate();
    let places = names.map(|(place, (message, _))| (message.full_name().to_owned(), place)).collect();
    Some(Schema { pool, messages, places })
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
