//! IQ requests: what is asked, what comes back, and layers around the asking.

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
use xso::AsXml;

use super::{Client, FromResult, IqError};
use crate::error::BoxError;
use crate::stanza::{Children, ParseError, Stanza, WriteError};

/// An IQ request before it is sent: what layers around a [`Client`] see.
#[derive(Debug, Clone)]
pub struct IqRequest {
    pub(super) stanza: Stanza,
    pub(super) timeout: Option<Duration>,
    pub(super) collect: Option<ResponseCollector>,
}

/// What a request brought: the payload of the result, and the messages that came before it.
#[derive(Debug, Clone, Default)]
pub struct IqResponse {
    pub(super) children: Children,
    pub(super) collected: Vec<Stanza>,
}

/// Which messages are part of the answer to a request: those from the peer that was asked, with a
/// child element of this name of which one attribute has this value.
///
/// They are taken out of the stream in its order, before the result, and reach no handler. So an
/// archive's messages (XEP-0313 §4.2) are complete when the request is, however busy the handlers
/// are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseCollector {
    namespace: String,
    name: String,
    attribute: String,
    value: String,
}

impl IqRequest {
    /// An IQ request that is there already. Its id is replaced.
    #[must_use]
    pub fn new(stanza: Stanza) -> Self {
        Self {
            stanza,
            timeout: None,
            collect: None,
        }
    }

    /// An IQ get.
    ///
    /// # Errors
    /// When the payload cannot be written as XML.
    pub fn get<P: AsXml>(to: impl Into<Jid>, payload: &P) -> Result<Self, WriteError> {
        Stanza::iq_get(to, payload).map(Self::new)
    }

    /// An IQ set.
    ///
    /// # Errors
    /// When the payload cannot be written as XML.
    pub fn set<P: AsXml>(to: impl Into<Jid>, payload: &P) -> Result<Self, WriteError> {
        Stanza::iq_set(to, payload).map(Self::new)
    }

    /// The request comes from this address within the component's domain, not from the domain
    /// itself.
    #[must_use]
    pub fn with_from(mut self, from: impl Into<Jid>) -> Self {
        self.stanza = self.stanza.with_from(from);
        self
    }

    /// How long the answer may take, in place of
    /// [`Limits::iq_timeout`](crate::limits::Limits::iq_timeout).
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Takes messages out of the stream that belong to the answer.
    #[must_use]
    pub fn with_collector(mut self, collect: ResponseCollector) -> Self {
        self.collect = Some(collect);
        self
    }

    /// The IQ request.
    #[must_use]
    pub fn stanza(&self) -> &Stanza {
        &self.stanza
    }
}

impl IqResponse {
    /// The payload of the result.
    #[must_use]
    pub fn children(&self) -> &Children {
        &self.children
    }

    /// The messages that came before the result, in their order.
    #[must_use]
    pub fn collected(&self) -> &[Stanza] {
        &self.collected
    }

    /// The payload as a type.
    ///
    /// # Errors
    /// When it is something else.
    pub fn parse<A: FromResult>(&self) -> Result<A, ParseError> {
        A::from_result(self.children.clone())
    }
}

impl ResponseCollector {
    /// Messages with an element of this namespace and name, of which this attribute has this value.
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

/// The service that a layered client asks with.
pub(super) type Layered = BoxCloneSyncService<IqRequest, IqResponse, BoxError>;

/// The future of a request.
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

/// Asking is a service, so layers of tower's and of one's own fit around it; [`Client::layer`]
/// makes a client of that.
///
/// It is always ready: a request beyond the bounds fails with [`IqError::TooMany`].
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
    /// A client whose requests pass this layer: retry, timeout, limit. A layer added later is
    /// further outside. What must see whether the layer below is ready, such as load shedding
    /// around a limit, is given with it as one stack.
    ///
    /// Only requests pass, not what is sent without an answer: that and everything else passes the
    /// component's own [outbound layers](crate::component::ComponentBuilder::outbound).
    ///
    /// ```
    /// # use campanile::{client::{Client, IqError}, jid::Jid, xmpp_parsers};
    /// use std::time::Duration;
    /// use tower::limit::GlobalConcurrencyLimitLayer;
    /// use tower::timeout::TimeoutLayer;
    /// use xmpp_parsers::version::{VersionQuery, VersionResult};
    ///
    /// # async fn example(client: Client, to: Jid) -> Result<(), IqError> {
    /// // Ten requests at a time, and five seconds for each, whatever it waited for.
    /// let careful = client.layer(GlobalConcurrencyLimitLayer::new(10)).layer(TimeoutLayer::new(Duration::from_secs(5)));
    /// let version: VersionResult = careful.iq_get(to, &VersionQuery).await?;
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

    /// Makes a request and waits for the result.
    ///
    /// The answer counts only when it comes from the very address that was asked. Dropping the
    /// future forgets the request.
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
    /// See [`IqError`]; a result that is no `A` is [`IqError::Answer`].
    pub async fn iq_get<A: FromResult>(
        &self,
        to: impl Into<Jid>,
        payload: &impl AsXml,
    ) -> Result<A, IqError> {
        self.request(IqRequest::get(to, payload)?)
            .await?
            .parse()
            .map_err(IqError::Answer)
    }

    /// Sends an IQ set and waits for the result, often [`Empty`].
    ///
    /// # Errors
    /// See [`IqError`]; a result that is no `A` is [`IqError::Answer`].
    pub async fn iq_set<A: FromResult>(
        &self,
        to: impl Into<Jid>,
        payload: &impl AsXml,
    ) -> Result<A, IqError> {
        self.request(IqRequest::set(to, payload)?)
            .await?
            .parse()
            .map_err(IqError::Answer)
    }
}
