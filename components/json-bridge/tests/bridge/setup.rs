//! Helpers shared by the tests.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use campanile_json_bridge::{Bot, Bridge, Grant, Secret, Settings, Webhook};
use campanile_testing::{Mounted, mount};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// The token of the API that covers all bots.
pub(crate) const TOKEN: &str = "whole-token";
pub(crate) const SECRET: &str = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0";

/// A request received by a webhook.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A response of a web handler.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// Returns a response with a JSON body.
    pub(crate) fn json(status: u16, body: impl AsRef<[u8]>) -> Self {
        Self {
            status,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.as_ref().to_vec(),
        }
    }

    /// Replaces or adds a header.
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.into()));
        self
    }
}

/// A web handler that records requests and responds from a list, or with 204 once it is empty.
#[derive(Clone, Default)]
pub(crate) struct Hook {
    got: Arc<Mutex<Vec<Got>>>,
    answers: Arc<Mutex<VecDeque<Response>>>,
    news: Arc<Notify>,
    /// If set, each request waits for a permit before it gets a response.
    turns: Option<Arc<tokio::sync::Semaphore>>,
}

impl Hook {
    /// Starts a handler with the given responses.
    pub(crate) async fn start(answers: &[(u16, &'static str)]) -> (Self, SocketAddr) {
        let answers = answers
            .iter()
            .map(|&(status, body)| Response::json(status, body).header("location", "/elsewhere"));
        Self::start_with(answers).await
    }

    /// Starts a handler with the given responses.
    pub(crate) async fn start_with(
        answers: impl IntoIterator<Item = Response>,
    ) -> (Self, SocketAddr) {
        Self {
            answers: Arc::new(Mutex::new(answers.into_iter().collect())),
            ..Self::default()
        }
        .listen()
        .await
    }

    /// Starts a handler that sends no response before [`Hook::release`].
    pub(crate) async fn hanging() -> (Self, SocketAddr) {
        Self {
            turns: Some(Arc::new(tokio::sync::Semaphore::new(0))),
            ..Self::default()
        }
        .listen()
        .await
    }

    /// Releases all requests.
    pub(crate) fn release(&self) {
        self.turns.as_ref().unwrap().close();
    }

    async fn listen(self) -> (Self, SocketAddr) {
        let hook = self;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let own = hook.clone();
        let handler = axum::routing::post(move |headers: HeaderMap, body: Bytes| async move {
            own.take(headers, &body).await
        });
        let router = axum::Router::new().route("/hook", handler);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (hook, address)
    }

    async fn take(&self, headers: HeaderMap, body: &Bytes) -> axum::response::Response {
        let body = String::from_utf8(body.to_vec()).unwrap();
        self.got.lock().unwrap().push(Got { headers, body });
        self.news.notify_waiters();
        if let Some(turns) = &self.turns {
            // An error means that the semaphore was closed by `release`.
            let _ = turns.acquire().await;
        }
        let answer = self.answers.lock().unwrap().pop_front();
        let answer = answer.unwrap_or_else(|| Response::json(204, ""));
        let mut response = axum::response::Response::new(answer.body.into());
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
        for (name, value) in answer.headers {
            response
                .headers_mut()
                .append(name, value.try_into().unwrap());
        }
        response
    }

    pub(crate) fn count(&self) -> usize {
        self.got.lock().unwrap().len()
    }

    /// Waits until at least `count` requests have been received, and returns all of them.
    pub(crate) async fn got(&self, count: usize) -> Vec<Got> {
        let enough = async {
            loop {
                let news = self.news.notified();
                let got = self.got.lock().unwrap().clone();
                if got.len() >= count {
                    return got;
                }
                news.await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), enough)
            .await
            .expect("requests in time")
    }
}

pub(crate) fn webhook(address: SocketAddr) -> Webhook {
    Webhook::new(&format!("http://{address}/hook"), [Secret::new(SECRET)]).unwrap()
}

/// Returns a bot `bot` with the given webhook and the token `bot-token`.
pub(crate) fn bot(webhook: Option<Webhook>) -> Bot {
    Bot {
        localpart: Some("bot".into()),
        name: Some("Bot".into()),
        webhook,
        token: Some(Secret::new("bot-token")),
        datatypes: vec!["urn:example:order".into()],
        iq: vec!["urn:example:q".into(), "jabber:iq:version".into()],
        to: Grant::Parent,
        ..Bot::default()
    }
}

pub(crate) async fn mounted(settings: Settings) -> (Mounted, Arc<Bridge>) {
    let bridge = Arc::new(Bridge::new(settings));
    let shared = Arc::clone(&bridge);
    (
        mount("bridge.localhost", |builder| {
            builder.modules([shared as Arc<_>])
        })
        .await,
        bridge,
    )
}

/// A temporary folder, removed at the end of the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("campanile-bridge-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Waits until a condition holds.
pub(crate) async fn until(mut wanted: impl FnMut() -> bool) {
    let seen = async {
        while !wanted() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), seen)
        .await
        .expect("condition met in time");
}

/// Waits until an asynchronous condition holds.
pub(crate) async fn eventually(mut wanted: impl AsyncFnMut() -> bool) {
    let seen = async {
        while !wanted().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), seen)
        .await
        .expect("condition met in time");
}
