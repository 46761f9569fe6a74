//! SASL authentication (RFC 6120 §6) with PLAIN and SCRAM. Without TLS, PLAIN exposes the password
//! on the wire, so this is for loopback only.

use crate::host::ids;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jid::BareJid;

use super::scram::{self, Challenged, First, Hash};
use crate::host::state::Shared;

/// Offered mechanisms, the strongest first.
pub(super) const MECHANISMS: [&str; 3] = ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"];

/// State of a SASL exchange. `None` before it starts and after it ends.
#[derive(Default)]
pub(super) enum Exchange {
    #[default]
    None,
    Plain,
    First(Hash),
    Final(BareJid, Box<Challenged>),
}

/// The server's next message.
pub(super) enum Step {
    Challenge(String),
    /// The authenticated account, and additional data, if any.
    Success(BareJid, Option<String>),
    /// A failure condition (RFC 6120 §6.5).
    Failure(&'static str),
}

impl Exchange {
    /// Starts an exchange. Returns [`None`](Self::None) if the mechanism is not offered.
    pub(super) fn begin(mechanism: &str) -> Self {
        match mechanism {
            "PLAIN" => Self::Plain,
            "SCRAM-SHA-1" => Self::First(Hash::Sha1),
            "SCRAM-SHA-256" => Self::First(Hash::Sha256),
            _ => Self::None,
        }
    }

    /// Processes a base64-encoded client message; `=` is an empty one (RFC 6120 §6.4.2).
    pub(super) fn step(&mut self, text: &str, shared: &Shared) -> Step {
        let encoded = if text == "=" { "" } else { text };
        let message = BASE64
            .decode(encoded.trim())
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        let Some(message) = message else {
            return Step::Failure("incorrect-encoding");
        };
        match std::mem::take(self) {
            Self::None => Step::Failure("malformed-request"),
            // The initial response is optional.
            initial @ (Self::Plain | Self::First(_)) if text.is_empty() => {
                *self = initial;
                Step::Challenge(String::new())
            }
            Self::Plain => plain(&message, shared),
            Self::First(hash) => self.challenge(&message, hash, shared),
            Self::Final(account, challenged) => match challenged.finish(&message) {
                Some(last) => Step::Success(account, Some(last)),
                None => Step::Failure("not-authorized"),
            },
        }
    }

    fn challenge(&mut self, message: &str, hash: Hash, shared: &Shared) -> Step {
        let Some(first) = First::parse(message) else {
            return Step::Failure("malformed-request");
        };
        let account = account(&first.user, shared);
        let Some((account, login)) =
            account.and_then(|account| Some((account.clone(), shared.login(&account)?)))
        else {
            return Step::Failure("not-authorized");
        };
        if first
            .authorization
            .as_ref()
            .is_some_and(|wish| *wish != account.as_str())
        {
            return Step::Failure("invalid-authzid");
        }
        let (challenge, challenged) = first.challenge(hash, login.keys(hash), &ids::fresh());
        *self = Self::Final(account, Box::new(challenged));
        Step::Challenge(BASE64.encode(challenge))
    }
}

impl Step {
    /// Returns the XML of the message.
    pub(super) fn xml(&self) -> String {
        const SASL: &str = xmpp_parsers::ns::SASL;
        match self {
            Self::Challenge(text) => format!("<challenge xmlns='{SASL}'>{text}</challenge>"),
            Self::Success(_, None) => format!("<success xmlns='{SASL}'/>"),
            Self::Success(_, Some(last)) => {
                format!("<success xmlns='{SASL}'>{}</success>", BASE64.encode(last))
            }
            Self::Failure(condition) => format!("<failure xmlns='{SASL}'><{condition}/></failure>"),
        }
    }
}

/// Verifies a PLAIN message: authorization identity, user, password (RFC 4616).
fn plain(message: &str, shared: &Shared) -> Step {
    let parts: Vec<_> = message.split('\0').collect();
    let &[wish, user, password] = parts.as_slice() else {
        return Step::Failure("malformed-request");
    };
    let Some(account) = account(user, shared) else {
        return Step::Failure("not-authorized");
    };
    let right = shared
        .login(&account)
        .is_some_and(|login| scram::equal(login.password.reveal().as_bytes(), password.as_bytes()));
    match right {
        false => Step::Failure("not-authorized"),
        true if !wish.is_empty() && wish != account.as_str() => Step::Failure("invalid-authzid"),
        true => Step::Success(account, None),
    }
}

fn account(user: &str, shared: &Shared) -> Option<BareJid> {
    BareJid::new(&format!("{user}@{}", shared.settings.domain)).ok()
}
