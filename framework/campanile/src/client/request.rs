//! IQ requests, their responses, and layers around them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use jid::Jid;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;
use tower_layer::Layer;
use tower_service::Service;

use super::{Client, FromResult, IqError};
use crate::error::BoxError;
use crate::payload::WritePayload;
use crate::stanza::{Children, ParseError, Stanza, WriteError};

/// An IQ request before it is sent, as seen by the layers around a [`Client`].
#[derive(Debug, Clone)]
pub struct IqRequest {
    pub(super) stanza: Stanza,
    pub(super) timeout: Option<Duration>,
    pub(super) collect: Option<ResponseCollector>,
}

/// The response to an IQ request: the payload of the result and the messages collected before it.
#[derive(Debug, Clone, Default)]
pub struct IqResponse {
    pub(super) children: Children,
    pub(super) collected: Vec<Stanza>,
}

/// A filter for the messages that are part of the response to a request.
///
/// It matches messages from the peer that was asked which have a child element of the given name
/// with the given attribute value.
///
/// Matching messages are taken out of the stream in order, before the result, and do not reach any
/// handler. The messages of an archive (XEP-0313 §4.2) are therefore complete when the request
/// completes, however busy the handlers are. At most
/// [`Limits::max_collected`](crate::limits::Limits::max_collected) messages are collected per
/// request; beyond that, the request fails with [`IqError::TooMuch`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseCollector {
    namespace: String,
    name: String,
    attribute: String,
    value: String,
}

impl IqRequest {
    /// Creates a request from an existing IQ stanza. Its id is replaced.
    #[must_use]
    pub fn new(stanza: Stanza) -> Self {
        Self {
            stanza,
            timeout: None,
            collect: None,
        }
    }

    /// Creates an IQ get.
    ///
    /// # Errors
    /// If the payload cannot be serialized as XML.
    pub fn get<P: WritePayload>(to: impl Into<Jid>, payload: &P) -> Result<Self, WriteError> {
        Stanza::iq_get(to, payload).map(Self::new)
    }

    /// Creates an IQ set.
    ///
    /// # Errors
    /// If the payload cannot be serialized as XML.
    pub fn set<P: WritePayload>(to: impl Into<Jid>, payload: &P) -> Result<Self, WriteError> {
        Stanza::iq_set(to, payload).map(Self::new)
    }

    /// Sets the sender to an address within the component's domain, instead of the domain itself.
    #[must_use]
    pub fn with_from(mut self, from: impl Into<Jid>) -> Self {
        self.stanza = self.stanza.with_from(from);
        self
    }

    /// Sets the timeout of this request, overriding
    /// [`Limits::iq_timeout`](crate::limits::Limits::iq_timeout).
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Collects the messages that belong to the response.
    #[must_use]
    pub fn with_collector(mut self, collect: ResponseCollector) -> Self {
        self.collect = Some(collect);
        self
    }

    /// Returns the IQ stanza.
    #[must_use]
    pub fn stanza(&self) -> &Stanza {
        &self.stanza
    }
}

impl IqResponse {
    /// Returns the payload of the result.
    #[must_use]
    pub fn children(&self) -> &Children {
        &self.children
    }

    /// Returns the collected messages, in the order of the stream.
    #[must_use]
    pub fn collected(&self) -> &[Stanza] {
        &self.collected
    }

    /// Reads the payload as a type.
    ///
    /// # Errors
    /// If the payload is of another type.
    pub fn parse<A: FromResult>(&self) -> Result<A, ParseError> {
        A::from_result(self.children.clone())
    }
}

impl ResponseCollector {
    /// Matches messages that have a child element of this namespace and name with this attribute
    /// value.
    pub fn new(
        (namespace, name): (&str, &str),
        (attribute, value): (impl Into<String>, impl Into<String>),
    ) -> Self {
        let namespace = namespace.to_owned();
        let name = name.to_owned();
        Self {
            namespace,
            name,
            attribute: attribute.into(),
            value: value.into(),
        }
    }

    pub(super) fn wants(&self, message: &Stanza) -> bool {
        let found = message.children().find(&self.namespace, &self.name);
        found
            .and_then(|child| child.attribute(&self.attribute))
            .is_some_and(|value| value == self.value.as_str())
    }
}

/// The service behind a layered client.
pub(super) type Layered = BoxCloneSyncService<IqRequest, IqResponse, BoxError>;

/// The future of an IQ request, returned by the [`Service`] implementation of [`Client`].
#[doc(hidden)]
pub struct IqResponseFuture(Pin<Box<dyn Future<Output = Result<IqResponse, IqError>> + Send>>);

impl Future for IqResponseFuture {
    type Output = Result<IqResponse, IqError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for IqResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IqResponseFuture")
    }
}

/// Sends IQ requests, so that tower layers and your own can be put around a client; see
/// [`Client::layer`].
///
/// The service is always ready: a request beyond the limits fails with [`IqError::TooMany`].
impl Service<IqRequest> for Client {
    type Response = IqResponse;
    type Error = IqError;
    type Future = IqResponseFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), IqError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: IqRequest) -> IqResponseFuture {
        let client = self.clone();
        IqResponseFuture(Box::pin(async move { client.request(request).await }))
    }
}

impl Client {
    /// Returns a client whose requests pass through this layer, such as a retry, timeout or
    /// concurrency limit.
    ///
    /// Each layer wraps those added before it. A layer that depends on the readiness of an inner
    /// one, such as load shedding around a limit, must be added together with it as one stack.
    ///
    /// Only IQ requests pass through the layer. Everything that the component sends, requests
    /// included, passes through its [outbound
    /// layers](crate::component::ComponentBuilder::outbound).
    ///
    /// ```
    /// # use campanile::{client::{Client, IqError}, jid::Jid, xmpp_parsers};
    /// use std::time::Duration;
    /// use tower::limit::GlobalConcurrencyLimitLayer;
    /// use tower::timeout::TimeoutLayer;
    /// use xmpp_parsers::version::{VersionQuery, VersionResult};
    ///
    /// # async fn example(client: Client, to: Jid) -> Result<(), IqError> {
    /// // At most ten requests at a time, each within five seconds including its wait.
    /// let limited = client
    ///     .layer(GlobalConcurrencyLimitLayer::new(10))
    ///     .layer(TimeoutLayer::new(Duration::from_secs(5)));
    /// let version: VersionResult = limited.iq_get(to, &VersionQuery).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn layer<L>(&self, layer: L) -> Self
    where
        L: Layer<Self>,
        L::Service: Service<IqRequest, Response = IqResponse> + Clone + Send + Sync + 'static,
        <L::Service as Service<IqRequest>>::Error: Into<BoxError>,
        <L::Service as Service<IqRequest>>::Future: Send + 'static,
    {
        let service = layer.layer(self.clone()).map_err(Into::into);
        Self {
            shared: Arc::clone(&self.shared),
            layers: Some(Arc::new(BoxCloneSyncService::new(service))),
        }
    }

    /// Sends a request and waits for the result.
    ///
    /// A response counts only if it comes from the address that was asked. Dropping the future
    /// discards the request.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn request(&self, request: IqRequest) -> Result<IqResponse, IqError> {
        let Some(layers) = &self.layers else {
            return self.shared.ask(request).await;
        };
        Layered::clone(layers)
            .oneshot(request)
            .await
            .map_err(IqError::of_layer)
    }

    /// Sends an IQ get and waits for the result.
    ///
    /// ```
    /// # use campanile::{client::{Client, IqError}, jid::Jid, xmpp_parsers};
    /// use xmpp_parsers::version::{VersionQuery, VersionResult};
    ///
    /// # async fn example(client: Client, to: Jid) -> Result<(), IqError> {
    /// let version = client.iq_get::<VersionResult>(to, &VersionQuery).await?;
    /// println!("{} {}", version.name, version.version);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// See [`IqError`]; a result that is not an `A` is [`IqError::Answer`].
    pub async fn iq_get<A: FromResult>(
        &self,
        to: impl Into<Jid>,
        payload: &impl WritePayload,
    ) -> Result<A, IqError> {
        self.request(IqRequest::get(to, payload)?)
            .await?
            .parse()
            .map_err(IqError::Answer)
    }

    /// Sends an IQ set and waits for the result, often [`Empty`](super::Empty).
    ///
    /// # Errors
    /// See [`IqError`]; a result that is not an `A` is [`IqError::Answer`].
    pub async fn iq_set<A: FromResult>(
        &self,
        to: impl Into<Jid>,
        payload: &impl WritePayload,
    ) -> Result<A, IqError> {
        self.request(IqRequest::set(to, payload)?)
            .await?
            .parse()
            .map_err(IqError::Answer)
    }
}
