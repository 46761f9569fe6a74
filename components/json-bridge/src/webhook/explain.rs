//! The reasons of failed attempts, in the words of operators.

use std::error::Error as StdError;
use std::io;

use hyper_util::client::legacy;

/// Returns the reason of a failed attempt, with the remedy if there is one. `url` is the URL for
/// logs.
pub(super) fn explain(error: &(dyn StdError + 'static), url: &str) -> String {
    if let Some(words) = causes(error).find_map(tls_error) {
        return words.to_owned();
    }
    let is_refused = |error: &io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if causes(error)
        .filter_map(|cause| cause.downcast_ref())
        .any(is_refused)
    {
        return format!("nothing listens at {url}");
    }
    // The client's own message, such as `client error (Connect)`, says nothing to operators.
    let told =
        causes(error).skip_while(|cause| cause.is::<legacy::Error>() && cause.source().is_some());
    let texts: Vec<_> = told.map(ToString::to_string).collect();
    texts.join(": ")
}

/// Returns an error and its causes.
fn causes<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    let first: &'e (dyn StdError + 'static) = error;
    std::iter::successors(Some(first), |cause| <dyn StdError>::source(*cause))
}

/// Returns the error of rustls inside I/O errors, which do not give it as their source.
fn rustls_error<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e rustls::Error> {
    match error.downcast_ref::<io::Error>() {
        Some(error) => rustls_error(error.get_ref()?),
        None => error.downcast_ref(),
    }
}

/// Returns the words for a TLS error.
fn tls_error(error: &(dyn StdError + 'static)) -> Option<&'static str> {
    use rustls::{CertificateError as Invalid, Error, InvalidMessage};
    Some(match rustls_error(error)? {
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "the webhook does not speak TLS on this port; write http:// or its TLS port"
        }
        Error::InvalidCertificate(Invalid::UnknownIssuer) => {
            "the webhook's certificate is not from a trusted CA; name its CA with `ca_file`"
        }
        Error::InvalidCertificate(
            Invalid::NotValidForName | Invalid::NotValidForNameContext { .. },
        ) => "the webhook's certificate is for another host name than that of the URL",
        Error::InvalidCertificate(Invalid::Expired | Invalid::ExpiredContext { .. }) => {
            "the webhook's certificate has expired; renew it"
        }
        Error::InvalidCertificate(Invalid::NotValidYet | Invalid::NotValidYetContext { .. }) => {
            "the webhook's certificate is not valid yet; check the clocks of both machines"
        }
        // `openssl req -x509` creates a CA certificate by default.
        Error::InvalidCertificate(Invalid::Other(other))
            if other.to_string().contains("CaUsedAsEndEntity") =>
        {
            "the webhook uses a CA certificate as its own; install a server certificate (openssl \
            req -x509: -addext basicConstraints=critical,CA:FALSE)"
        }
        _ => return None,
    })
}
