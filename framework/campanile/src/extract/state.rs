//! Extractors for shared state and for values added by layers.

use std::any::type_name;
use std::convert::Infallible;
use std::fmt;

use super::FromInbound;
use crate::error::BoxError;
use crate::inbound::Inbound;

/// The state set by [`Router::with_state`](crate::router::Router::with_state), or a part of it.
///
/// ```
/// use std::sync::Arc;
///
/// use campanile::extract::{FromRef, State};
/// use campanile::router::Router;
///
/// #[derive(Clone)]
/// struct App { motd: Arc<str>, limit: usize }
///
/// // Or `#[derive(FromRef)]` for all fields.
/// impl FromRef<App> for Arc<str> {
///     fn from_ref(app: &App) -> Self { Arc::clone(&app.motd) }
/// }
///
/// async fn motd(State(motd): State<Arc<str>>) -> String { motd.to_string() }
/// async fn limit(State(app): State<App>) -> String { app.limit.to_string() }
///
/// let app = App { motd: "hello".into(), limit: 3 };
/// let router: Router = Router::new()
///     .at("motd", Router::new().message(motd))
///     .message(limit)
///     .with_state(app);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State<T>(pub T);

/// A value that can be created from a reference to `S`.
///
/// `#[derive(FromRef)]` on a state implements it for the type of each field, except fields with
/// `#[from_ref(skip)]`:
///
/// ```
/// use std::sync::Arc;
///
/// use campanile::Router;
/// use campanile::extract::{FromRef, State};
///
/// #[derive(Clone, FromRef)]
/// struct App {
///     motd: Arc<str>,
///     limit: usize,
///     // A second field of one type would be ambiguous.
///     #[from_ref(skip)]
///     _burst: usize,
/// }
///
/// async fn motd(State(motd): State<Arc<str>>, State(limit): State<usize>) -> String {
///     motd.chars().take(limit).collect()
/// }
///
/// let app = App { motd: "hello".into(), limit: 3, _burst: 9 };
/// let router: Router = Router::new().message(motd).with_state(app);
/// ```
#[diagnostic::on_unimplemented(
    message = "the router's state `{S}` has no `{Self}`",
    note = "give the router a state of type `{Self}`, or implement `FromRef<{S}>` for it"
)]
pub trait FromRef<S> {
    /// Creates the value.
    fn from_ref(state: &S) -> Self;
}

impl<S: Clone> FromRef<S> for S {
    fn from_ref(state: &S) -> Self {
        state.clone()
    }
}

impl<S, T: FromRef<S> + 'static> FromInbound<S> for State<T> {
    type Rejection = Infallible;

    fn from_inbound(_inbound: &Inbound, state: &S) -> Result<Self, Infallible> {
        Ok(Self(T::from_ref(state)))
    }
}

/// A value that a layer added to the stanza's [extensions](crate::inbound::Extensions).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension<T>(pub T);

impl<S, T: Clone + Send + Sync + 'static> FromInbound<S> for Extension<T> {
    type Rejection = BoxError;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, BoxError> {
        inbound
            .extensions()
            .get()
            .cloned()
            .map(Self)
            .ok_or_else(|| MissingExtension(type_name::<T>()).into())
    }
}

/// No layer has added the value: the layer is missing or applied in the wrong place. This is a
/// programming error.
#[derive(Debug)]
pub(super) struct MissingExtension(&'static str);

impl fmt::Display for MissingExtension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no layer has added a `{}` to the extensions", self.0)
    }
}

impl std::error::Error for MissingExtension {}
