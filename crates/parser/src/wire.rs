//! A walk over an encoded protobuf message without a schema (`format.md §1.6`).

/// Groups nested deeper than this make a message malformed, as in prost.
const MAX_DEPTH: u32 = 100;

/// The value of a field as encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// Integers, enums and booleans.
    Varint(u64),
    /// `fixed64`, `double`.
    Fixed64(u64),
    /// Strings, bytes, messages and packed scalars.
    Bytes(&'a [u8]),
    /// A group with its end marker; CRIU has none.
    Group(&'a [u8]),
    /// `fixed32`, `float`.
    Fixed32(u32),
}

/// One field as encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Field<'a> {
    /// Field number, from 1.
    pub(crate) number: u32,
    /// The value.
    pub(crate) value: Value<'a>,
}

/// The bytes are not a protobuf message from some place on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The fields of a message in the order of the file.
#[derive(Debug, Clone)]
pub(crate) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// Walks over `message`.
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// What was not walked over yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for index in 0..10_u32 {
            let (&byte, rest) = self.rest.split_first()?;
            self.rest = rest;
            if index == 9 && byte > 1 {
                return None;
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn key(&mut self) -> Option<(u32, u32)> {
        let key = u32::try_from(self.varint()?).ok()?;
        (key >> 3 != 0).then_some((key >> 3, key & 7))
    }

    fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(head)
    }

    fn scalar(&mut self, wire: u32) -> Option<Value<'a>> {
        Some(match wire {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(*self.take(8)?.first_chunk()?)),
            2 => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(*self.take(4)?.first_chunk()?)),
            _ => return None,
        })
    }

    fn group(&mut self, number: u32) -> Option<&'a [u8]> {
        let start = self.rest;
        let mut open = vec![number];
        while let Some(&innermost) = open.last() {
            match self.key()? {
                (number, 3) if u32::try_from(open.len()).is_ok_and(|depth| depth < MAX_DEPTH) => {
                    open.push(number)
                }
                (number, 4) if number == innermost => {
                    open.pop();
                }
                (_, wire) => {
                    self.scalar(wire)?;
                }
            }
        }
        start.get(..start.len().checked_sub(self.rest.len())?)
    }

    fn field(&mut self) -> Option<Field<'a>> {
        let (number, wire) = self.key()?;
        let value = if wire == 3 { Value::Group(self.group(number)?) } else { self.scalar(wire)? };
        Some(Field { number, value })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.rest = &[];
        }
        Some(field.ok_or(Malformed))
    }
}

/// The last value of an integer field, as a protobuf reader takes it; `None` if the field is missing.
pub(crate) fn integer(message: &[u8], number: u32) -> Result<Option<u64>, Malformed> {
    let mut last = None;
    for field in Fields::new(message) {
        let field = field?;
        match field.value {
            Value::Varint(value) if field.number == number => last = Some(value),
            _ => {}
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn walks_every_wire_type() {
        let message = [
            0x08, 0x96, 0x01, // 1: varint 150
            0x11, 1, 0, 0, 0, 0, 0, 0, 0, // 2: fixed64
            0x1a, 2, b'h', b'i', // 3: bytes
            0x23, 0x08, 0x01, 0x24, // 4: group
            0x2d, 7, 0, 0, 0, // 5: fixed32
        ];
        let fields: Vec<_> = Fields::new(&message).map(|field| field.unwrap().value).collect();
        assert_eq!(
            fields,
            [
                Value::Varint(150),
                Value::Fixed64(1),
                Value::Bytes(b"hi"),
                Value::Group(&[0x08, 0x01, 0x24]),
                Value::Fixed32(7)
            ]
        );
    }

    #[test]
    fn the_last_value_counts() {
        assert_eq!(integer(&[0x08, 1, 0x08, 2], 1), Ok(Some(2)));
        assert_eq!(integer(&[0x08, 1], 2), Ok(None));
    }

    #[test]
    fn malformed() {
        for message in [
            &[0x08][..],
            &[0x00, 0x01],
            &[0x1a, 5, 1],
            &[0x0f],
            &[0x23, 0x2c],
            &[0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02],
        ] {
            assert_eq!(integer(message, 1), Err(Malformed), "{message:?}");
        }
    }

    #[test]
    fn deep_groups_end() {
        assert_eq!(integer(&[0x0b; 1 << 16], 1), Err(Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Fields::new(&bytes).count() <= bytes.len());
        }
    }
}
