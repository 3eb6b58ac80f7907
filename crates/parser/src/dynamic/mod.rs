//! Any image as JSON, field by field, with nothing left out: what `ckptfx decode` prints.
//!
//! Fields bear CRIU's names and stand in the order of the schema. Numbers are shown as `proto/presentation.proto`
//! says: flags by name with unknown bits in hexadecimal, addresses in hexadecimal, devices as `major:minor`. Text
//! that is no UTF-8 has `\xNN` in it and its exact bytes in base64 in `<name>_b64`; other bytes are base64. What
//! follows a message and belongs to it is in `extra`. Fields that the schema does not know are in `unknown_fields`,
//! and those that CRIU requires and that are not there in `missing_fields`.

mod decode;
pub mod lookup;
mod names;
mod netlink;
mod numbering;
mod presence;
mod presentation;
mod render;
mod schema;
mod show;
mod tables;
mod weight;

pub use self::{
    decode::{DecodedImage, Decoder, decode, open},
    numbering::Numbering,
    presentation::Show,
    show::{bit_names, number_name},
};
pub(crate) use self::{presence::Presence, weight::Weigher};
