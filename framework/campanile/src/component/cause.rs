//! Classification and explanation of connection failures.

use jid::BareJid;

use crate::error::LinkError;

/// The class of a failure, which determines the delay before the next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailureClass {
    /// May recover soon. `from_server` is set for a stream error sent by the server; if it repeats,
    /// it is unlikely to recover soon.
    Temporary { from_server: bool },
    /// Another connection holds the JID, often a half-open one of this component that will time
    /// out.
    Conflict,
    /// Cannot recover without a change of configuration.
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

/// Describes the failure and how to fix it. `mounted` is set if the connection was lost after the
/// handshake: then the address, the port and the secret are right.
pub(super) fn explain(error: &LinkError, domain: &BareJid, server: &str, mounted: bool) -> String {
    match error {
        LinkError::Read(fault) if mounted => format!("{server} sent invalid XML: {fault}"),
        LinkError::TimedOut(_) | LinkError::Io(_) if mounted => {
            format!("connection to {server} lost: {}", bare_text(error))
        }
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
                Some(advice) => format!("{server}: {advice}"),
                None => format!("{server}: {error}"),
            },
        },
        LinkError::Read(fault) => {
            format!("{server} sent no XMPP stream ({fault}): does it expect TLS on this port?")
        }
        LinkError::TimedOut(what) => {
            format!("{server}: {what}: does it expect TLS on this port, or is it overloaded?")
        }
        LinkError::Closed => format!("{server} closed the connection"),
        other => format!("{server}: {other}"),
    }
}

/// Returns the error without a prefix.
fn bare_text(error: &LinkError) -> String {
    match error {
        LinkError::TimedOut(what) => (*what).to_owned(),
        LinkError::Io(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// Returns what is wrong with TLS, and how to fix it.
#[cfg(feature = "tls")]
fn tls_advice(error: &std::io::Error) -> Option<&'static str> {
    use rustls::{CertificateError, Error, InvalidMessage};

    let certificate = match error.get_ref()?.downcast_ref::<Error>()? {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            return Some(
                "the server does not use TLS on this port; connect without TLS, or use its TLS \
                port",
            );
        }
        Error::InvalidCertificate(certificate) => certificate,
        _ => return None,
    };
    match certificate {
        CertificateError::UnknownIssuer => Some(
            "the server's certificate is not from a trusted CA; set the CA file to the \
            certificate of its issuer",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Some(
                "the server's certificate is for another name; set the server name to one that \
                the certificate is valid for",
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Some("the server's certificate has expired; install a new one on the server")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Some("the server's certificate is not valid yet; check the clocks of both machines")
        }
        // `openssl req -x509` creates a CA certificate by default.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => Some(
            "the server uses a CA certificate as its own; install a server certificate \
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
            "the secret is wrong, or, on ejabberd, which reports both in the same way, {domain} \
            is not among the `hosts` of this listener. On Prosody compare \
            component_secret of Component \"{domain}\"; on ejabberd the password at \
            hosts: {domain}: {{password: …}}"
        ),
        "conflict" => format!(
            "another connection is mounted on {domain}, or it is a virtual host of that name. \
            An old connection of this component times out; on Prosody, the new one wins with \
            component_conflict_resolve = \"kick_old\""
        ),
        "improper-addressing" => {
            format!("it cannot use {domain} as an address: is this its component port?")
        }
        "invalid-namespace" => {
            "this port uses another protocol, possibly the one for clients or servers: is this \
            its component port?"
                .to_owned()
        }
        "invalid-from" => "it refused the sender of a stanza".to_owned(),
        "not-well-formed" => "it could not parse a stanza, or the stanza was too large: Prosody \
            reports this for stanzas above component_stanza_size_limit"
            .to_owned(),
        "policy-violation" => {
            "a stanza was too large for it (ejabberd: max_stanza_size), or stanzas \
            came too fast"
                .to_owned()
        }
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
    fn failures_are_classified_by_condition() {
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
    fn explanation_of_a_lost_connection_has_no_advice_for_connecting() {
        let domain = BareJid::new("bot.example.org").unwrap();
        let fault = campanile_stanza::reader::ReadError::NotWellFormed("mismatched end tag");
        let rows = [
            (
                LinkError::Read(fault),
                "127.0.0.1:5347 sent invalid XML: not-well-formed: mismatched end tag",
            ),
            (
                LinkError::TimedOut("the server stopped reading"),
                "connection to 127.0.0.1:5347 lost: the server stopped reading",
            ),
        ];
        for (error, wanted) in rows {
            assert_eq!(explain(&error, &domain, "127.0.0.1:5347", true), wanted);
            let opening = explain(&error, &domain, "127.0.0.1:5347", false);
            assert!(opening.contains("does it expect TLS"), "{opening}");
        }
    }

    #[test]
    fn explanation_names_the_domain_and_both_servers() {
        let domain = BareJid::new("bot.example.org").unwrap();
        let unknown = explain(&stream("host-unknown"), &domain, "127.0.0.1:5347", false);
        assert!(
            unknown.contains("Component \"bot.example.org\""),
            "{unknown}"
        );
        let secret = explain(&stream("not-authorized"), &domain, "127.0.0.1:5347", false);
        assert!(
            secret.contains("ejabberd") && secret.contains("Prosody"),
            "{secret}"
        );
    }

    #[cfg(feature = "tls")]
    #[test]
    fn rejected_certificate_is_explained() {
        use rustls::{CertificateError, Error, InvalidMessage};
        let domain = BareJid::new("bot.example.org").unwrap();
        for (error, words) in [
            (
                Error::InvalidCertificate(CertificateError::UnknownIssuer),
                "is not from a trusted CA; set the CA file",
            ),
            (
                Error::InvalidCertificate(CertificateError::NotValidForName),
                "set the server name to one that the certificate is valid for",
            ),
            (
                Error::InvalidMessage(InvalidMessage::InvalidContentType),
                "does not use TLS on this port",
            ),
        ] {
            let error = std::io::Error::new(std::io::ErrorKind::InvalidData, error);
            let explanation = explain(&LinkError::Io(error), &domain, "127.0.0.1:5347", false);
            assert!(
                explanation.starts_with("127.0.0.1:5347: ") && explanation.contains(words),
                "{explanation}"
            );
        }
    }
}
