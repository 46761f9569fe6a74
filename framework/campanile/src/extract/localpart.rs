//! The extractor for the placeholders of a recipient pattern.

use std::fmt;
use std::str::FromStr;

use serde::de::{Deserialize, DeserializeOwned, Deserializer};

use super::{AddressPlaceholders, FromInbound, PlaceholderError, Rejection, RouteInfo};
use crate::error::{BoxError, Condition, StanzaError};
use crate::inbound::Inbound;

/// The placeholders of the [`RecipientPattern`](crate::router::RecipientPattern) of the route, as
/// one value, as a tuple in the order of the pattern, or as a struct with fields of the same names.
///
/// If the pattern has a placeholder for the resource, it comes after the one for the localpart.
///
/// Texts, numbers, `bool`, enums without fields and `Option` are deserialized with serde. Use
/// [`Parsed`] for a type that implements `FromStr` instead. If a value is invalid, the peer gets
/// `item-not-found`, because no such address exists.
///
/// The component builder checks that the pattern has the required placeholders; the outer routers,
/// which may add some, are not known earlier. In a struct, a field that follows a field with a
/// hand-written `Deserialize` implementation may escape this check; it is then reported with the
/// first stanza.
///
/// ```
/// use campanile::extract::{Body, Localpart};
/// use campanile::router::Router;
///
/// async fn note(Localpart(order): Localpart<u32>, Body(text): Body) -> String {
///     format!("noted for order {order}: {text}")
/// }
///
/// async fn device(Localpart((user, device)): Localpart<(String, String)>) -> String {
///     format!("{user} has a {device}")
/// }
///
/// let router: Router = Router::new()
///     .at("order-{id}", Router::new().message(note))
///     .at("{user}/{device}", Router::new().message(device));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Localpart<T>(pub T);

/// A value that is parsed with `FromStr`, for use where serde is expected.
///
/// ```
/// use campanile::extract::{Localpart, Parsed};
/// use std::net::Ipv4Addr;
///
/// async fn host(Localpart(Parsed(address)): Localpart<Parsed<Ipv4Addr>>) -> String {
///     address.is_loopback().to_string()
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parsed<T>(pub T);

impl<S, T: DeserializeOwned + 'static> FromInbound<S> for Localpart<T> {
    type Rejection = BoxError;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, BoxError> {
        // A programming error, which is not disclosed to the peer.
        let Some(AddressPlaceholders(texts)) = inbound.extensions().get() else {
            return Err("the route's recipient pattern has no placeholder".into());
        };
        texts.to().map(Self).map_err(|error| match error {
            PlaceholderError::Text { .. } => {
                Rejection::invalid(StanzaError::new(Condition::ItemNotFound)).into()
            }
            PlaceholderError::Shape(_) => error.into(),
        })
    }

    fn validate(route: &RouteInfo) -> Result<(), String> {
        route.validate_address::<T>()
    }
}

impl<'de, T> Deserialize<'de> for Parsed<T>
where
    T: FromStr,
    T::Err: fmt::Display,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}
