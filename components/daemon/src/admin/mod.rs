//! The admin port: health, metrics, and the status page.
//!
//! Figures are there for whoever is on this machine; content and changes only for whoever has the
//! token.

mod access;
mod actions;
mod archive;
mod health;
mod listen;
mod metrics;
mod outbox;
mod page;
mod problem;
mod process;
mod state;
mod text;

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use self::access::Access;
use self::problem::Problem;
use crate::config;
use crate::run::components::Registry;
use crate::run::reload::Reloads;

/// The port while it is served, until dropped.
#[derive(Debug)]
pub(crate) struct Admin {
    shared: Arc<Shared>,
    settings: config::Admin,
    serving: JoinHandle<()>,
}

/// What every request sees.
#[derive(Debug)]
struct Shared {
    registry: Arc<Registry>,
    reloads: Arc<Reloads>,
    access: RwLock<Access>,
    /// Asks for the configuration to be read anew.
    reload: mpsc::Sender<()>,
    /// Changes the log back after a while.
    revert: Mutex<Option<JoinHandle<()>>>,
}

type State = axum::extract::State<Arc<Shared>>;

impl Admin {
    /// Takes the port and serves.
    ///
    /// # Errors
    /// When it cannot be taken, in words.
    pub(crate) async fn serve(
        settings: &config::Admin,
        registry: &Arc<Registry>,
        reloads: &Arc<Reloads>,
        reload: mpsc::Sender<()>,
    ) -> Result<Self, String> {
        let listen = settings.listen;
        let taken = TcpListener::bind(listen).await;
        let listener =
            taken.map_err(|error| format!("[admin] cannot listen on {listen}: {error}"))?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        tracing::info!(%address, token = settings.token.is_some(), "health, metrics and the status \
            page");
        let shared = Arc::new(Shared {
            registry: Arc::clone(registry),
            reloads: Arc::clone(reloads),
            access: RwLock::new(Access::new(settings)),
            reload,
            revert: Mutex::default(),
        });
        let serving = tokio::spawn(listen::serve(listener, router(Arc::clone(&shared))));
        Ok(Self {
            shared,
            settings: settings.clone(),
            serving,
        })
    }

    /// Takes over what a new configuration says: who has access holds at once, the address with the
    /// next start.
    pub(crate) fn change(admin: Option<&Self>, settings: Option<&config::Admin>) {
        let listens = admin.map(|admin| admin.settings.listen);
        if listens != settings.map(|settings| settings.listen) {
            tracing::warn!("changed only when campanile is started anew: where [admin] listens");
        }
        if let (Some(admin), Some(settings)) = (admin, settings) {
            *admin
                .shared
                .access
                .write()
                .unwrap_or_else(PoisonError::into_inner) = Access::new(settings);
        }
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.serving.abort();
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
        .fallback(|| async { Problem::new(404, "there is nothing at this path") })
        .method_not_allowed_fallback(|| async { Problem::new(405, "this path has another method") })
        .layer(from_fn(guarded))
        .with_state(shared)
}

/// What every answer says to a browser: nothing of it is kept, framed, guessed at, or taken from
/// elsewhere.
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
