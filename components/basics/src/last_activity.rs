//! Last activity (XEP-0012 §2): `xmpp-parsers` has no type for it.

/// A question without `seconds`, or the answer with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, xso::FromXml, xso::AsXml)]
#[xml(namespace = "jabber:iq:last", name = "query")]
pub struct LastActivity {
    /// Of a server or a component: how long it has been up (XEP-0012 §5).
    #[xml(attribute(default))]
    pub seconds: Option<u64>,
}
