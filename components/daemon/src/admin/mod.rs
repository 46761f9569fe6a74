//! The admin port: health, metrics, and the status page.
//!
//! Metrics and status are available to clients on this machine; content and changes require the
//! token.

mod access;
mod actions;
mod archive;
mod health;
mod metrics;
mod outbox;
mod page;
mod problem;
mod process;
mod state;
mod text;

use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use campanile::supervise::Supervised;
use campanile_json_bridge::http::{self, Bounds};
use parking_lot::{Mutex, RwLock};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use self::access::{Access, Peer};
use self::problem::Problem;
use crate::config;
use crate::run::components::Registry;
use crate::run::reload_report::{ReloadReport, Reloads};

/// Bounds on connections. Health checks and metrics are served in any case.
const BOUNDS: Bounds = Bounds {
    connections: 64,
    reserve: 8,
    is_vital: |path| matches!(path, "/livez" | "/readyz" | "/metrics"),
};

/// The admin port; serves until dropped.
#[derive(Debug)]
pub(crate) struct Admin {
    shared: Arc<Shared>,
    settings: config::Admin,
    _serving: Supervised,
}

/// State shared by all requests.
#[derive(Debug)]
struct Shared {
    registry: Arc<Registry>,
    reloads: Arc<Reloads>,
    access: RwLock<Access>,
    /// Requests a reload of the configuration; the report comes back.
    reload: mpsc::Sender<oneshot::Sender<ReloadReport>>,
    /// Resets the log filter after a delay.
    revert: Mutex<Option<JoinHandle<()>>>,
}

type State = axum::extract::State<Arc<Shared>>;

impl Admin {
    /// Binds the port and starts to serve.
    ///
    /// # Errors
    /// Fails if the port cannot be bound; the text says why.
    pub(crate) async fn serve(
        settings: &config::Admin,
        registry: &Arc<Registry>,
        reloads: &Arc<Reloads>,
        reload: mpsc::Sender<oneshot::Sender<ReloadReport>>,
    ) -> Result<Self, String> {
        let listen = settings.listen;
        let taken = TcpListener::bind(listen).await;
        let listener =
            taken.map_err(|error| format!("[admin] cannot listen on {listen}: {error}"))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        tracing::info!(%address, token = settings.token.is_some(), "admin port listening");
        let shared = Arc::new(Shared {
            registry: Arc::clone(registry),
            reloads: Arc::clone(reloads),
            access: RwLock::new(Access::new(settings)),
            reload,
            revert: Mutex::default(),
        });
        let router = router(Arc::clone(&shared));
        let listener = Arc::new(listener);
        let tasks = registry.tasks.clone();
        let serving = registry.tasks.supervise("admin port", move || {
            let connections = tasks.clone();
            let router = router.clone();
            let listener = Arc::clone(&listener);
            async move {
                let of_client = |address| router.clone().layer(Extension(Peer(address)));
                http::serve(listener, "admin port", BOUNDS, connections, of_client).await;
                Ok(())
            }
        });
        Ok(Self {
            shared,
            settings: settings.clone(),
            _serving: serving,
        })
    }

    /// Applies a new configuration: token and hosts at once, the address after a restart. Returns
    /// `true` if anything changed.
    pub(crate) fn change(admin: Option<&Self>, settings: Option<&config::Admin>) -> bool {
        let listens = admin.map(|admin| admin.settings.listen);
        if listens != settings.map(|settings| settings.listen) {
            tracing::warn!("settings changed: listen of [admin]; it applies after a restart");
        }
        let (Some(admin), Some(settings)) = (admin, settings) else {
            return admin.is_some() != settings.is_some();
        };
        let access = Access::new(settings);
        let mut current = admin.shared.access.write();
        let different = *current != access;
        *current = access;
        different
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::metrics))
        .route("/", get(page::page))
        .route("/page.css", get(page::style))
        .route("/page.js", get(page::script))
        .route("/api/state", get(state::state))
        .route("/api/errors", get(actions::errors))
        .route("/api/log", get(actions::log).post(actions::change_log))
        .route("/api/reload", post(actions::reload))
        .route("/api/undelivered", get(outbox::list))
        .route("/api/undelivered/replay", post(outbox::replay))
        .route("/api/undelivered/drop", post(outbox::remove))
        .route("/api/archive", get(archive::search))
        .fallback(|| async { Problem::new(404, "no such path") })
        .method_not_allowed_fallback(|| async {
            Problem::new(405, "method not allowed for this path")
        })
        .layer(from_fn(guarded))
        .with_state(shared)
}

/// Adds security headers to every response: no caching, framing, MIME sniffing or foreign content.
async fn guarded(request: Request, next: Next) -> Response {
    const HEADERS: [(&str, &str); 7] = [
        ("cache-control", "no-store"),
        ("content-security-policy", page::POLICY),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ];
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, axum::http::HeaderValue::from_static(value));
    }
    response
}
