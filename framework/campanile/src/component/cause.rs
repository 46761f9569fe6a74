//! Why a component is not mounted: what kind of trouble it is, and what to change on which server.

use jid::BareJid;

use crate::error::LinkError;

/// What a failure means for the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureClass {
    /// May heal by itself soon. `from_server`: the server gave a stream error; the same one again
    /// and again will not heal soon.
    Temporary { from_server: bool },
    /// Another connection holds the JID, often a half-open one of our own that dies in time.
    Conflict,
    /// Will not heal before somebody changes a configuration.
    Refused,
}

impl FailureClass {
    pub(super) fn of(error: &LinkError) -> Self {
        match error {
            LinkError::Stream(error) => match error.condition.as_str() {
                "conflict" => Self::Conflict,
                "not-authorized" | "host-unknown" | "improper-addressing" | "invalid-namespace" => {
                    Self::Refused
                }
                _ => Self::Temporary { from_server: true },
            },
            LinkError::Protocol(_) => Self::Temporary { from_server: true },
            _ => Self::Temporary { from_server: false },
        }
    }
}

/// The failure in words that say what to change.
pub(super) fn explain(error: &LinkError, domain: &BareJid, server: &str) -> String {
    match error {
        LinkError::Stream(stream) => {
            let advice = advice(&stream.condition, domain);
            format!(
                "{server} answered {stream}{}{advice}",
                if advice.is_empty() { "" } else { ": " }
            )
        }
        LinkError::Io(error) => match error.kind() {
            std::io::ErrorKind::ConnectionRefused => format!(
                "nothing listens at {server}: is the server running, and is this its component \
                port? \
                 (Prosody: component_ports and component_interfaces; ejabberd: a listener with \
                 module ejabberd_service)"
            ),
            std::io::ErrorKind::NotFound => {
                format!("{server}: {error}: is the path of the socket right?")
            }
            _ => match tls_advice(error) {
                Some(advice) => format!("{server}: {error}: {advice}"),
                None => format!("{server}: {error}"),
            },
        },
        LinkError::Read(fault) => {
            format!(
                "{server} sent what is no XMPP stream ({fault}): does it expect TLS on this port?"
            )
        }
        LinkError::TimedOut(what) => {
            format!("{server}: {what}: does it expect TLS on this port, or is it overloaded?")
        }
        LinkError::Closed => format!("{server} closed the connection"),
        other => format!("{server}: {other}"),
    }
}

/// What to change when it is TLS that failed.
#[cfg(feature = "tls")]
fn tls_advice(error: &std::io::Error) -> Option<&'static str> {
    use rustls::{CertificateError, Error, InvalidMessage};

    let certificate = match error.get_ref()?.downcast_ref::<Error>()? {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            return Some(
                "it speaks no TLS on this port: connect without, or to the port where it does",
            );
        }
        Error::InvalidCertificate(certificate) => certificate,
        _ => return None,
    };
    match certificate {
        CertificateError::UnknownIssuer => {
            Some("name the certificate of its issuer as the CA file")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Some("expect a server name that the certificate has")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Some("the server needs a new one")
        }
        // What `openssl req -x509` makes unless it is told otherwise.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => Some(
            "the server shows a certificate that is made to issue others; it needs one of its own \
             (openssl req -x509: -addext basicConstraints=critical,CA:FALSE)",
        ),
        _ => None,
    }
}

#[cfg(not(feature = "tls"))]
fn tls_advice(_: &std::io::Error) -> Option<&'static str> {
    None
}

fn advice(condition: &str, domain: &BareJid) -> String {
    match condition {
        "host-unknown" => format!(
            "it has no component of this name. On Prosody add\n    Component \"{domain}\"\n        \
            component_secret = \"…\"\n\
             then reload and activate it: prosodyctl shell 'config:reload()' and prosodyctl shell \
             'host:activate(\"{domain}\")'"
        ),
        "not-authorized" => format!(
            "the secret is wrong, or, on ejabberd, which says the same of both, {domain} is not \
            among the `hosts` of this \
             listener. On Prosody compare component_secret of Component \"{domain}\"; on ejabberd \
             the password at \
             hosts: {domain}: {{password: …}}"
        ),
        "conflict" => format!(
            "another connection is mounted on {domain}, or is a virtual host of that name. If it \
            is an old connection of \
             this very component, it goes away by itself; Prosody lets the new one win with \
             component_conflict_resolve = \"kick_old\""
        ),
        "improper-addressing" => format!(
            "it cannot use {domain} as an address: is this its \
            component port?"
        ),
        "invalid-namespace" => {
            "it speaks another protocol on this port, the one for clients or servers perhaps: is \
            this \
             its component port?"
                .to_owned()
        }
        "invalid-from" => "it refused the sender of a stanza".to_owned(),
        "not-well-formed" => {
            "it could not read a stanza, or found it too large: Prosody says this \
            of anything beyond \
             component_stanza_size_limit"
                .to_owned()
        }
        "policy-violation" => "a stanza was too large for it (ejabberd: max_stanza_size), or came \
            too fast"
            .to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::StreamError;

    fn stream(condition: &str) -> LinkError {
        LinkError::Stream(StreamError {
            condition: condition.to_owned(),
            text: None,
        })
    }

    #[test]
    fn classes_follow_what_can_heal() {
        assert_eq!(
            FailureClass::of(&stream("conflict")),
            FailureClass::Conflict
        );
        for condition in [
            "not-authorized",
            "host-unknown",
            "improper-addressing",
            "invalid-namespace",
        ] {
            assert_eq!(
                FailureClass::of(&stream(condition)),
                FailureClass::Refused,
                "{condition}"
            );
        }
        for condition in [
            "system-shutdown",
            "reset",
            "undefined-condition",
            "connection-timeout",
        ] {
            assert_eq!(
                FailureClass::of(&stream(condition)),
                FailureClass::Temporary { from_server: true },
                "{condition}"
            );
        }
        assert_eq!(
            FailureClass::of(&LinkError::Closed),
            FailureClass::Temporary { from_server: false }
        );
    }

    #[test]
    fn words_name_the_domain_and_both_servers() {
        let domain = BareJid::new("bot.example.org").unwrap();
        let unknown = explain(&stream("host-unknown"), &domain, "127.0.0.1:5347");
        assert!(
            unknown.contains("Component \"bot.example.org\""),
            "{unknown}"
        );
        let secret = explain(&stream("not-authorized"), &domain, "127.0.0.1:5347");
        assert!(
            secret.contains("ejabberd") && secret.contains("Prosody"),
            "{secret}"
        );
    }
    #[cfg(feature = "tls")]
    #[test]
    fn a_certificate_that_is_refused_is_explained() {
        use rustls::{CertificateError, Error, InvalidMessage};
        let domain = BareJid::new("bot.example.org").unwrap();
        for (error, words) in [
            (
                Error::InvalidCertificate(CertificateError::UnknownIssuer),
                "as the CA file",
            ),
            (
                Error::InvalidCertificate(CertificateError::NotValidForName),
                "a server name that the certificate has",
            ),
            (
                Error::InvalidMessage(InvalidMessage::InvalidContentType),
                "it speaks no TLS on this port",
            ),
        ] {
            let error = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
            let said = explain(&LinkError::Io(error), &domain, "127.0.0.1:5347");
            assert!(
                said.starts_with("127.0.0.1:5347: ") && said.contains(words),
                "{said}"
            );
        }
    }
}
