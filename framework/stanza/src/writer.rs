//! Serializing a stanza as it is sent on the stream: without `xmlns`, which it inherits.

use crate::stanza::Stanza;
use crate::xml::escape;

impl Stanza {
    /// Appends the serialized stanza to `out`, without `xmlns`.
    ///
    /// All characters were checked when the parts of the stanza were made, except those of the id
    /// and the language: see [`xml::forbidden_char`](crate::xml::forbidden_char).
    ///
    /// ```
    /// use campanile_stanza::stanza::Stanza;
    ///
    /// let mut bytes = Vec::new();
    /// Stanza::parse("<message id='1'><body>hi</body></message>")?.write_to(&mut bytes);
    /// assert_eq!(bytes, b"<message id='1' type='normal'><body>hi</body></message>");
    /// # Ok::<_, campanile_stanza::reader::ElementError>(())
    /// ```
    pub fn write_to(&self, out: &mut Vec<u8>) {
        encode(self, out);
    }
}

fn encode(stanza: &Stanza, out: &mut Vec<u8>) {
    let name = stanza.kind.name().as_bytes();
    let children = stanza.children.as_bytes();
    out.reserve(children.len() + 192);
    out.push(b'<');
    out.extend_from_slice(name);
    // Stringprep allows `'` and `&` in resources, so JIDs are escaped like any other value.
    attribute(out, b" from='", stanza.from_text());
    attribute(out, b" to='", stanza.to_text());
    attribute(out, b" id='", stanza.id());
    attribute(
        out,
        b" type='",
        Some(stanza.kind.type_str()).filter(|kind| !kind.is_empty()),
    );
    attribute(out, b" xml:lang='", stanza.lang());
    if children.is_empty() {
        out.extend_from_slice(b"/>");
    } else {
        out.push(b'>');
        out.extend_from_slice(children);
        out.extend_from_slice(b"</");
        out.extend_from_slice(name);
        out.push(b'>');
    }
}

fn attribute(out: &mut Vec<u8>, opening: &[u8], value: Option<&str>) {
    if let Some(value) = value {
        out.extend_from_slice(opening);
        escape::push_attribute(out, value);
        out.push(b'\'');
    }
}
