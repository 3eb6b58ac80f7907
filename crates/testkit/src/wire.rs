//! A protobuf wire-format writer that knows nothing of any schema.
//!
//! The caller names field numbers; nothing here is shared with the reader, so a
//! mistake in one cannot be repeated silently by the other.

/// One protobuf message under construction.
///
/// Methods take and return the message, so that a whole entry reads as one chain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message(Vec<u8>);

/// Appends a base-128 varint.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

impl Message {
    /// An empty message.
    pub fn new() -> Self {
        Self::default()
    }

    /// The encoded bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The encoded bytes, owned.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn key(&mut self, field: u32, wire_type: u8) {
        put_varint(&mut self.0, (u64::from(field) << 3) | u64::from(wire_type));
    }

    /// An unsigned integer or enum (varint).
    pub fn uint(mut self, field: u32, value: impl Into<u64>) -> Self {
        self.key(field, 0);
        put_varint(&mut self.0, value.into());
        self
    }

    /// A signed `int32`/`int64`: negative values take ten bytes.
    pub fn int(self, field: u32, value: i64) -> Self {
        self.uint(field, value as u64)
    }

    /// A zig-zag `sint32`/`sint64`.
    pub fn sint(self, field: u32, value: i64) -> Self {
        self.uint(field, ((value << 1) ^ (value >> 63)) as u64)
    }

    /// A boolean.
    pub fn flag(self, field: u32, value: bool) -> Self {
        self.uint(field, u64::from(value))
    }

    /// A `fixed64`.
    pub fn fixed64(mut self, field: u32, value: u64) -> Self {
        self.key(field, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A `fixed32`.
    pub fn fixed32(mut self, field: u32, value: u32) -> Self {
        self.key(field, 5);
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    /// A string or byte field. Strings of the kernel need not be UTF-8, so bytes are taken.
    pub fn bytes(mut self, field: u32, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.key(field, 2);
        put_varint(&mut self.0, value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    /// A nested message.
    pub fn message(self, field: u32, value: &Message) -> Self {
        self.bytes(field, &value.0)
    }

    /// Several nested messages in one repeated field.
    pub fn messages<'a>(self, field: u32, values: impl IntoIterator<Item = &'a Message>) -> Self {
        values.into_iter().fold(self, |message, value| message.message(field, value))
    }

    /// A repeated integer, one key per value.
    pub fn repeated<T: Into<u64>>(self, field: u32, values: impl IntoIterator<Item = T>) -> Self {
        values.into_iter().fold(self, |message, value| message.uint(field, value))
    }

    /// A repeated integer in packed form.
    pub fn packed<T: Into<u64>>(self, field: u32, values: impl IntoIterator<Item = T>) -> Self {
        let mut body = Vec::new();
        for value in values {
            put_varint(&mut body, value.into());
        }
        self.bytes(field, body)
    }

    /// Bytes put down as they are: unknown fields, broken encodings.
    pub fn raw(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.0.extend_from_slice(bytes.as_ref());
        self
    }

    /// Applies `then` only if `condition` holds.
    pub fn when(self, condition: bool, then: impl FnOnce(Self) -> Self) -> Self {
        if condition { then(self) } else { self }
    }

    /// Applies `then` only to a present value.
    pub fn maybe<T>(self, value: Option<T>, then: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => then(self, value),
            None => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_encodings() {
        let message =
            Message::new().uint(1, 150_u32).bytes(2, "testing").sint(3, -1).packed(4, [3_u32, 270, 86942]);
        assert_eq!(
            message.as_bytes(),
            b"\x08\x96\x01\x12\x07testing\x18\x01\x22\x06\x03\x8e\x02\x9e\xa7\x05"
        );
        assert_eq!(Message::new().int(1, -2).as_bytes().len(), 11);
        assert_eq!(Message::new().fixed32(1, 1).as_bytes(), b"\x0d\x01\0\0\0");
    }
}
