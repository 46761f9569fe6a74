//! The payload of last activity (XEP-0012 §2), which `xmpp-parsers` lacks.

/// The payload of a last activity request (without `seconds`) or response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, xso::FromXml, xso::AsXml)]
#[xml(namespace = "jabber:iq:last", name = "query")]
pub struct LastActivity {
    /// Uptime in seconds, for a server or a component (XEP-0012 §5).
    #[xml(attribute(default))]
    pub seconds: Option<u64>,
}
