//! What the engine says of the container itself.

use super::{Input, Item, Key, Side, Wish, item::Builder};
use crate::{Text, container::summary};

pub(super) fn items(input: &mut Input<'_, '_>, side: &Side<'_>, _: &Wish) -> Vec<Item> {
    let container = &input.case.checkpoint.container;
    let command: Vec<&str> = container.command.iter().map(String::as_str).collect();
    let mut facts = Builder::default()
        .known("image", container.image.as_ref())
        .known("image_digest", container.image_digest.as_ref())
        .known("image_id", container.image_id.as_ref())
        .known("runtime", container.runtime.as_ref())
        .known("privileged", container.privileged)
        .known("kernel", summary::kernel(input.case).map(|kernel| kernel.value))
        .known("architecture", summary::architecture(input.case));
    if !command.is_empty() {
        facts = facts.fact("command", command);
    }
    if side.pairs.same_container {
        // Of another container these differ by nature.
        facts = facts.known("hostname", container.hostname.as_ref()).fact("addresses", &container.addresses);
    }
    let name = Text::from(container.name.as_deref().unwrap_or("container"));
    vec![Item { key: Key::new(None, []), name, facts: facts.finish() }]
}
