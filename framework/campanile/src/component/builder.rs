//! The builder of a component. All errors in the settings are found here, before anything connects.

use std::fmt;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jid::{BareJid, Jid};
use tokio::io::{AsyncRead, AsyncWrite};
use tower_layer::Layer;
use tower_service::Service;

use super::attempt_log::AttemptLog;
use super::lifecycle::Lifecycle;
use super::run::{Runner, watch};
use super::target::Target;
use super::{App, Component};
use crate::client::{Client, ResponseForwarder};
use crate::connection::{
    AddressError, Connect, Io, Keepalive, Outbound, OutboundLayers, Outbox, Secret, ServerAddress,
    wrapped,
};
use crate::dispatch::{Dispatch, Ordering};
use crate::error::{BoxError, write_chain};
use crate::inbound::Inbound;
use crate::limits::{Limits, YEAR};
use crate::module::{self, Module, MountError};
use crate::reply::Reply;
use crate::router::{RouteError, Router};
use crate::stanza::Stanza;

/// The settings of a component.
#[must_use = "a builder does nothing before `build`"]
pub struct ComponentBuilder {
    domain: String,
    server: Option<String>,
    connect: Option<Connect>,
    #[cfg(feature = "tls")]
    tls: Option<crate::connection::Tls>,
    secret: Option<Secret>,
    limits: Limits,
    ordering: Option<Ordering>,
    service: Option<App>,
    router: Option<Router>,
    modules: Vec<Arc<dyn Module>>,
    defaults: bool,
    layers: Vec<Box<dyn FnOnce(App) -> App + Send>>,
    outbound: Vec<Box<dyn FnOnce(Outbound) -> Outbound + Send>>,
    persistent: bool,
    response_forwarder: Option<Arc<dyn ResponseForwarder>>,
    fresh: Option<Duration>,
    caps_node: Option<String>,
}

/// The parts that can be replaced while the component runs.
pub(super) struct Parts {
    pub(super) app: App,
    pub(super) modules: Vec<Arc<dyn Module>>,
    pub(super) target: Target,
    pub(super) response_forwarder: Option<Arc<dyn ResponseForwarder>>,
}

/// The error if a component cannot be built.
///
/// `Debug`, which `main` prints when it returns the error, shows the text and all sources.
#[non_exhaustive]
pub enum BuildError {
    /// The domain is not a valid JID.
    Domain {
        /// The domain as configured.
        domain: String,
        /// The reason.
        source: jid::Error,
    },
    /// The domain has a localpart.
    Localpart(BareJid),
    /// The domain is not the one of the component that is [reloaded](super::ReloadHandle::reload).
    OtherDomain {
        /// The domain of the builder.
        domain: BareJid,
        /// The domain of the component.
        component: Jid,
    },
    /// The address of the server is missing.
    NoServer,
    /// The address of the server is invalid.
    Server(AddressError),
    /// The secret is missing.
    NoSecret,
    /// There is no router, module or service to handle stanzas.
    NoService,
    /// Routes of modules and routers overlap.
    Mount(MountError),
    /// A handler needs placeholders that its route does not have.
    Route(RouteError),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain { domain, .. } => write!(f, "invalid domain {domain:?}"),
            Self::Localpart(domain) => write!(
                f,
                "invalid domain \"{domain}\": expected a domain without a localpart"
            ),
            Self::OtherDomain { domain, component } => write!(
                f,
                "domain {domain} does not match the domain of this component, {component}"
            ),
            Self::NoServer => f.write_str("missing server address"),
            Self::Server(error) => error.fmt(f),
            Self::NoSecret => f.write_str("missing secret: set the secret shared with the server"),
            Self::NoService => {
                f.write_str("nothing handles stanzas: add a router, a module or a service")
            }
            Self::Mount(error) => error.fmt(f),
            Self::Route(error) => write!(f, "{}: {error}", error.location()),
        }
    }
}

impl std::error::Error for BuildError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Domain { source, .. } => Some(source),
            Self::Mount(error) => error.source(),
            _ => None,
        }
    }
}

impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_chain(self, f)
    }
}

impl ComponentBuilder {
    pub(super) fn new(domain: String) -> Self {
        Self {
            domain,
            server: None,
            connect: None,
            #[cfg(feature = "tls")]
            tls: None,
            secret: None,
            limits: Limits::default(),
            ordering: None,
            service: None,
            router: None,
            modules: Vec::new(),
            defaults: true,
            layers: Vec::new(),
            outbound: Vec::new(),
            persistent: false,
            response_forwarder: None,
            fresh: None,
            caps_node: None,
        }
    }

    /// Sets the address at which the server accepts components: `host:port`, `[v6]:port` or
    /// `unix:/path`.
    pub fn server(mut self, address: impl Into<String>) -> Self {
        self.server = Some(address.into());
        self
    }

    /// Uses direct TLS, from the first byte.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: crate::connection::Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets a function that opens the connection for each attempt. Use this instead of an address
    /// to connect through a proxy or an in-process pipe.
    pub fn connector<F, Fut, T>(mut self, connect: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<T>> + Send + 'static,
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.connect = Some(Arc::new(move || {
            let connecting = connect();
            Box::pin(async move { Ok(Box::new(connecting.await?) as Io) })
        }));
        self
    }

    /// Sets the secret shared with the server.
    pub fn secret(mut self, secret: impl Into<Secret>) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// Sets the limits. See [`Limits`] for the defaults.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets the function that assigns an ordering key to each stanza. Stanzas with the same key are
    /// handled one after the other; stanzas with `None` are handled in no particular order.
    ///
    /// By default, stanzas from one bare JID to one bare JID share a key.
    pub fn ordering(
        mut self,
        key: impl Fn(&Stanza) -> Option<u64> + Send + Sync + 'static,
    ) -> Self {
        self.ordering = Some(Arc::new(key));
        self
    }

    /// Adds a router. If called several times, the routes are merged.
    ///
    /// # Panics
    /// If routes of the routers overlap.
    #[track_caller]
    pub fn router(mut self, router: Router) -> Self {
        self.router = Some(match self.router.take() {
            Some(other) => other.merge(router),
            None => router,
        });
        self
    }

    /// Mounts a module.
    pub fn module(mut self, module: impl Module) -> Self {
        self.modules.push(Arc::new(module));
        self
    }

    /// Mounts shared modules: those that a program keeps a handle to, or that a
    /// [`Catalog`](crate::module::Catalog) selects at run time.
    pub fn modules(mut self, modules: impl IntoIterator<Item = Arc<dyn Module>>) -> Self {
        self.modules.extend(modules);
        self
    }

    /// Disables the [built-in handlers](Router::with_defaults) for service discovery and ping. The
    /// keepalive is unaffected.
    pub fn without_defaults(mut self) -> Self {
        self.defaults = false;
        self
    }

    /// Sets the service that handles all stanzas, instead of routers and modules.
    pub fn service<S>(mut self, service: S) -> Self
    where
        S: Service<Inbound, Response = Reply> + Send + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
    {
        self.service = Some(App::new(service));
        self
    }

    /// Applies a tower layer to the whole component. Each layer is placed outside the ones added
    /// before.
    pub fn layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<App> + Send + 'static,
        L::Service: Service<Inbound, Response = Reply> + Send + 'static,
        <L::Service as Service<Inbound>>::Error: Into<BoxError>,
        <L::Service as Service<Inbound>>::Future: Send + 'static,
    {
        self.layers
            .push(Box::new(move |app| App::new(layer.layer(app))));
        self
    }

    /// Applies a tower layer to outbound stanzas: replies, sent stanzas and requests, in the order
    /// in which they are written. Each layer is placed outside the ones added before, so it sees a
    /// stanza earlier.
    ///
    /// The stanza has both addresses and an id. The layer may modify it, reject it with an error,
    /// drop it by not calling the inner service, or call the inner service several times. An error
    /// is reported to the originator: for a reply, to the peer, converted by
    /// [`into_stanza_error`](crate::error::into_stanza_error); for a sent stanza, to the caller of
    /// the [`Client`].
    ///
    /// Stanzas pass one after the other, so a layer that awaits delays all later stanzas. Each call
    /// may take up to [`Limits::handler_timeout`]. Keepalive pings do not pass through these
    /// layers.
    ///
    /// ```
    /// use campanile::component::Component;
    /// use campanile::router::Router;
    /// use campanile::stanza::Stanza;
    /// use tower::util::MapRequestLayer;
    ///
    /// let tap = MapRequestLayer::new(|stanza: Stanza| {
    ///     println!("out: {}", stanza.to_xml());
    ///     stanza
    /// });
    /// let component = Component::builder("bot.localhost").router(Router::new()).outbound(tap);
    /// ```
    pub fn outbound<L>(mut self, layer: L) -> Self
    where
        L: Layer<Outbound> + Send + 'static,
        L::Service: Service<Stanza, Response = ()> + Send + 'static,
        <L::Service as Service<Stanza>>::Error: Into<BoxError>,
        <L::Service as Service<Stanza>>::Future: Send + 'static,
    {
        self.outbound
            .push(Box::new(move |inner| wrapped(layer.layer(inner))));
        self
    }

    /// Keeps reconnecting even if the server refuses the component on its first connection. By
    /// default, [`run`](Component::run) then returns an error.
    pub fn keep_trying(mut self) -> Self {
        self.persistent = true;
        self
    }

    /// Sets the transport that forwards IQ responses to the process that sent the request, for
    /// deployments where several processes share one JID. Defaults to the first [module that
    /// provides one](crate::module::Module::response_forwarder).
    pub fn response_forwarder(mut self, response_forwarder: Arc<dyn ResponseForwarder>) -> Self {
        self.response_forwarder = Some(response_forwarder);
        self
    }

    /// Sets the URI that identifies the software in presence (XEP-0115), such as the address of its
    /// website. It does not have to be reachable. Defaults to `xmpp:` and the domain.
    pub fn caps_node(mut self, uri: impl Into<String>) -> Self {
        self.caps_node = Some(uri.into());
        self
    }

    /// Sets the maximum age of the readiness check.
    ///
    /// While idle, the component pings itself through the server every `age / 3`. It is
    /// [ready](super::Status::is_ready) only after the first check on the current stream has
    /// succeeded.
    pub fn readiness_max_age(mut self, age: Duration) -> Self {
        self.fresh = Some(age.min(YEAR));
        self
    }

    /// Validates the settings and builds the component.
    ///
    /// # Errors
    /// Returns a [`BuildError`] if a setting is missing or invalid.
    pub fn build(mut self) -> Result<Component, BuildError> {
        let domain = domain(&self.domain)?;
        let limits = Arc::new(self.limits.clone().clamped());
        let outbound = std::mem::take(&mut self.outbound);
        let ordering = self.ordering.take();
        let fresh = self.fresh;
        let persistent = self.persistent;
        let client = Client::new(&domain, &limits, !outbound.is_empty());
        let counters = Arc::clone(&client.shared().counters);
        let Parts {
            app,
            modules,
            target,
            response_forwarder,
        } = self.into_parts(client.domain(), &limits)?;
        client.shared().instances.set_forwarder(response_forwarder);
        let dispatch = Dispatch::new(
            app,
            client.clone(),
            Arc::clone(&limits),
            Arc::clone(&counters),
        );
        let stack = (!outbound.is_empty()).then(|| {
            let layers = |writer| {
                outbound
                    .into_iter()
                    .fold(writer, |inner, layer| layer(inner))
            };
            OutboundLayers::new(client.shared(), limits.handler_timeout, layers)
        });
        let instances = Arc::clone(&client.shared().instances);
        let keepalive = Keepalive::new(&limits, instances, tokio::time::Instant::now())
            .readiness_max_age(fresh);
        let (watch, status) = watch();
        let runner = Runner {
            domain,
            target: Arc::new(Mutex::new(target)),
            limits,
            client,
            counters,
            dispatch: dispatch.with_ordering(ordering),
            outbox: Outbox::new(stack),
            keepalive,
            status: watch,
            persistent,
            log: AttemptLog::default(),
            modules: Arc::new(Lifecycle::new(modules)),
        };
        Ok(Component { runner, status })
    }

    /// Builds the parts that can be replaced while the component runs. `own` is the address of that
    /// component.
    pub(super) fn into_parts(self, own: &Jid, limits: &Limits) -> Result<Parts, BuildError> {
        let domain = domain(&self.domain)?;
        if domain != own.to_bare() {
            return Err(BuildError::OtherDomain {
                domain,
                component: own.clone(),
            });
        }
        let (server, connect) = self.target()?;
        let local = server
            .parse()
            .is_ok_and(|address: ServerAddress| address.is_local());
        let target = Target {
            server,
            local,
            connect,
            secret: self.secret.ok_or(BuildError::NoSecret)?,
        };
        let inner = match self.service {
            Some(service) => service,
            None if self.router.is_none() && self.modules.is_empty() => {
                return Err(BuildError::NoService);
            }
            None => {
                let router = self.router.unwrap_or_default();
                let router = match &self.caps_node {
                    Some(node) => router.with_caps_node(node),
                    None => router,
                };
                let router = module::mount(router, &self.modules).map_err(BuildError::Mount)?;
                router.validate().map_err(BuildError::Route)?;
                let router = if self.defaults {
                    router.with_defaults()
                } else {
                    router
                };
                if !self.modules.is_empty() {
                    let disco = router.disco();
                    for module in &self.modules {
                        module::guarded(module.name(), || module.advertised(&disco))
                            .map_err(BuildError::Mount)?;
                    }
                }
                App::of_router(router)
            }
        };
        let timed = inner.with_deadline(limits.handler_timeout);
        let app = self.layers.into_iter().fold(timed, |app, layer| layer(app));
        let response_forwarder = match self.response_forwarder {
            Some(forwarder) => Some(forwarder),
            None => forwarder_of(&self.modules).map_err(BuildError::Mount)?,
        };
        Ok(Parts {
            app,
            modules: self.modules,
            target,
            response_forwarder,
        })
    }

    fn target(&self) -> Result<(String, Connect), BuildError> {
        if let Some(connect) = &self.connect {
            return Ok((
                self.server
                    .clone()
                    .unwrap_or_else(|| "the server".to_owned()),
                Arc::clone(connect),
            ));
        }
        let text = self.server.as_deref().ok_or(BuildError::NoServer)?;
        let address: ServerAddress = text.parse().map_err(BuildError::Server)?;
        #[cfg(feature = "tls")]
        if let Some(tls) = self.tls.clone() {
            let connect: Connect = Arc::new(move || {
                let address = address.clone();
                let tls = tls.clone();
                Box::pin(async move { address.connect_tls(&tls).await })
            });
            return Ok((text.to_owned(), connect));
        }
        if !address.is_local() {
            tracing::warn!(
                server = text,
                "connection to the server is not encrypted and leaves this host; use TLS or a \
                tunnel"
            );
        }
        let connect: Connect = Arc::new(move || {
            let address = address.clone();
            Box::pin(async move { address.connect().await })
        });
        Ok((text.to_owned(), connect))
    }
}

/// Parses and prepares a bare domain. It must be in lower case, because Prosody compares the `to`
/// of the stream header byte by byte.
/// Returns the forwarder of the first module that has one.
fn forwarder_of(
    modules: &[Arc<dyn Module>],
) -> Result<Option<Arc<dyn ResponseForwarder>>, MountError> {
    for module in modules {
        let forwarder = module::guarded(module.name(), || Arc::clone(module).response_forwarder())?;
        if forwarder.is_some() {
            return Ok(forwarder);
        }
    }
    Ok(None)
}

fn domain(text: &str) -> Result<BareJid, BuildError> {
    let jid = BareJid::new(text).map_err(|source| BuildError::Domain {
        domain: text.to_owned(),
        source,
    })?;
    if jid.node().is_some() {
        return Err(BuildError::Localpart(jid));
    }
    Ok(jid)
}

impl fmt::Debug for ComponentBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComponentBuilder")
            .field("domain", &self.domain)
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}
