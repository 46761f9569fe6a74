//! What stands for the placeholders of a pattern, as Rust types.

mod de;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{Deserialize, DeserializeOwned, Deserializer};

pub(crate) use self::de::PlaceholderError;
use super::{FromInbound, Rejection, RouteInfo};
use crate::error::{BoxError, Condition, StanzaError};
use crate::inbound::Inbound;

/// Texts by the names of the placeholders that they stand for, in the order of the pattern. What
/// was left out is `None`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Placeholders(Vec<(Arc<str>, Option<String>)>);

impl Placeholders {
    pub(crate) fn push(&mut self, name: &Arc<str>, text: Option<String>) {
        self.0.push((Arc::clone(name), text));
    }

    pub(crate) fn to<T: DeserializeOwned>(&self) -> Result<T, PlaceholderError> {
        T::deserialize(de::Captures {
            pairs: &self.0,
            probing: false,
        })
    }

    /// Whether a `T` can be made of texts for placeholders of these names. What only the texts can
    /// tell is not looked at.
    pub(crate) fn validate<T: DeserializeOwned>(names: &[Arc<str>]) -> Result<(), String> {
        let pairs: Vec<_> = names
            .iter()
            .map(|name| (Arc::clone(name), Some("1".to_owned())))
            .collect();
        match T::deserialize(de::Captures {
            pairs: &pairs,
            probing: true,
        }) {
            Err(PlaceholderError::Shape(why)) => Err(why),
            Ok(_) | Err(PlaceholderError::Text { .. }) => Ok(()),
        }
    }
}

/// What stands for the placeholders of the recipient's pattern.
#[derive(Debug)]
pub(crate) struct AddressPlaceholders(pub(crate) Placeholders);

/// What stands for the placeholders of the [`RecipientPattern`](crate::router::RecipientPattern)
/// that the route is for: one value, a tuple in their order, or a struct with fields of their
/// names.
///
/// Texts, numbers, `bool`, enums without fields and `Option` are taken from their text as serde has
/// it; what has a `FromStr` instead is taken as [`Parsed`]. An address that does not fit is not
/// there: item-not-found.
///
/// Whether the pattern has the placeholders is found when the component is built: only then is it
/// known what stands around a route. Of a struct, a field behind one whose type is made from its
/// text by hand is found with the first stanza.
///
/// ```
/// use campanile::extract::{Localpart, Body};
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

/// A value that is parsed by its `FromStr`, where serde is asked for one.
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
        // A fault of ours, which the peer does not learn of.
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
