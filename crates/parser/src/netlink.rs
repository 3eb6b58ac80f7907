//! Streams of netlink messages: what `ip … save` and CRIU's dump of the connection tracking table write
//! (`format.md §11.5`, `§11.6`).

use crate::{
    Diagnostic,
    image::{ByteOrder, ImageFile, registry::Raw},
};

/// First words of the files that iproute2 writes.
const MAGICS: [u32; 3] = [0x4736_1222, 0x4531_1224, 0x7170_6986];
/// Length of the header of a message, in bytes.
const HEADER: usize = 16;
/// Bits of an attribute type that say how its value is encoded.
const TYPE_MASK: u16 = 0x3fff;
/// The bit that says that the value is attributes again.
const NESTED: u16 = 0x8000;

/// `RTM_NEWADDR`.
pub const NEW_ADDRESS: u16 = 20;
/// `RTM_NEWROUTE`.
pub const NEW_ROUTE: u16 = 24;
/// `RTM_NEWRULE`.
pub const NEW_RULE: u16 = 32;
/// `IPCTNL_MSG_CT_NEW` of the connection tracking subsystem.
pub const NEW_CONNECTION: u16 = 0x100;
/// `IPCTNL_MSG_EXP_NEW` of the subsystem of expectations.
pub const NEW_EXPECTATION: u16 = 0x200;

/// The messages of a stream. An `Err` is the last item.
#[derive(Debug, Clone)]
pub struct Messages<'a> {
    name: &'a str,
    bytes: &'a [u8],
    order: ByteOrder,
    raw: Raw,
    position: usize,
}

/// One message.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Length as announced, header included.
    pub length: usize,
    /// Type.
    pub kind: u16,
    /// `NLM_F_*`.
    pub flags: u16,
    /// Sequence number; iproute2 seeds it with the time.
    pub sequence: u32,
    /// Port of the sender: the pid of the program that asked.
    pub port: u32,
    /// The fixed part that begins the body, such as `struct ifaddrmsg`.
    pub head: &'a [u8],
    /// Whether the message is too short for that part: it says nothing then.
    pub is_short: bool,
    /// What follows it.
    pub attributes: Attributes<'a>,
}

/// Attributes one after another; they end at the first that does not fit.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a> {
    rest: &'a [u8],
    order: ByteOrder,
}

/// One attribute.
#[derive(Debug, Clone, Copy)]
pub struct Attribute<'a> {
    /// Type without the bits that tell its encoding.
    pub kind: u16,
    /// Whether it says that its value is attributes.
    pub nested: bool,
    /// The value, without padding.
    pub value: &'a [u8],
    order: ByteOrder,
}

impl<'a> Messages<'a> {
    /// Checks the first word, which says the byte order as well, where the form has one.
    ///
    /// # Errors
    /// When the first word is not that of a file of iproute2.
    pub fn new(file: &ImageFile<'a>, raw: Raw) -> Result<Self, Diagnostic> {
        let ImageFile { name, bytes, order, .. } = *file;
        let mut messages = Self { name, bytes, order, raw, position: 0 };
        if raw == Raw::Netlink {
            let known = |order: &ByteOrder| order.word(bytes, 0).is_some_and(|word| MAGICS.contains(&word));
            messages.order = [ByteOrder::Little, ByteOrder::Big]
                .into_iter()
                .find(known)
                .ok_or_else(|| Diagnostic::loss("bad-magic", name, "this is no output of `ip save`").at(0))?;
            messages.position = 4;
        }
        Ok(messages)
    }

    /// Byte order of the numbers in the fixed parts.
    pub fn order(&self) -> ByteOrder {
        self.order
    }

    fn message(&mut self) -> Option<Message<'a>> {
        let rest = self.bytes.get(self.position..)?;
        let length = usize::try_from(self.order.word(rest, 0)?).ok()?;
        let body = rest.get(HEADER..length)?;
        let kind = self.order.half(rest, 4)?;
        let head = match (self.raw, kind) {
            (Raw::Nfnetlink, _) => 4,
            (_, NEW_ADDRESS) => 8,
            (_, NEW_ROUTE | NEW_RULE) => 12,
            _ => 0,
        };
        let is_short = body.len() < head;
        let (head, attributes) = body.split_at_checked(head).unwrap_or((body, &[]));
        let message = Message {
            length,
            kind,
            flags: self.order.half(rest, 6)?,
            sequence: self.order.word(rest, 8)?,
            port: self.order.word(rest, 12)?,
            head,
            is_short,
            attributes: Attributes { rest: attributes, order: self.order },
        };
        let next = self.position.checked_add(length)?;
        // Kernel lengths are multiples of 4; others are padded.
        self.position = next.checked_next_multiple_of(4)?.min(self.bytes.len());
        Some(message)
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Diagnostic>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.position >= self.bytes.len() {
            return None;
        }
        let at = self.position;
        Some(self.message().ok_or_else(|| {
            self.position = self.bytes.len();
            Diagnostic::loss("truncated-image", self.name, "a netlink message is cut or its length is wrong")
                .at(at as u64)
        }))
    }
}

impl<'a> Attributes<'a> {
    /// Attributes in bytes that are not the end of a message, such as those of one next hop of a route.
    pub fn new(bytes: &'a [u8], order: ByteOrder) -> Self {
        Self { rest: bytes, order }
    }

    /// What is left: after the last attribute, bytes that are none.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The first attribute of a type.
    pub fn find(mut self, kind: u16) -> Option<Attribute<'a>> {
        Iterator::find(&mut self, |attribute| attribute.kind == kind)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Attribute<'a>> {
        let length = usize::from(self.order.half(self.rest, 0)?);
        let kind = self.order.half(self.rest, 2)?;
        // A length below 4 would never come to an end.
        let value = self.rest.get(4..length)?;
        self.rest = self.rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Attribute { kind: kind & TYPE_MASK, nested: kind & NESTED != 0, value, order: self.order })
    }
}

impl<'a> Attribute<'a> {
    /// The value as attributes.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes { rest: self.value, order: self.order }
    }

    /// The value as a number of the host's byte order.
    pub fn word(&self) -> Option<u32> {
        self.order.word(self.value, 0)
    }

    /// The value as text: up to the NUL that ends it.
    pub fn text(&self) -> &'a [u8] {
        self.value.split(|byte| *byte == 0).next().unwrap_or_default()
    }
}
