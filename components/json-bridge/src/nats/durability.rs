//! The time after which a broker has its acknowledged messages on disk.
//!
//! A delivery receipt follows the acknowledgment of JetStream, which precedes the disk unless
//! `sync_interval` is `always`.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Uri, header::HOST};
use campanile::error::BoxError;
use http_body_util::{BodyExt, Limited};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::settings::Nats;

const TIMEOUT: Duration = Duration::from_secs(3);
/// Largest response, far more than the monitoring port sends.
const MAX_RESPONSE: usize = 1 << 20;
/// The remedy, for messages.
const REMEDY: &str =
    "set sync_interval: always in the jetstream block of the broker, 2.10 or later";

/// Returns a remark for the operator, unless the broker acknowledges only what is on disk.
pub(crate) async fn remark(nats: &Nats) -> Option<String> {
    let Some(monitoring) = &nats.monitoring else {
        return Some(format!(
            "not verified whether the broker writes messages to disk before it acknowledges them, \
            and receipts are sent: set monitoring = \"http://127.0.0.1:8222\" below nats, or {REMEDY}"
        ));
    };
    let asked = timeout(TIMEOUT, config(monitoring)).await;
    match asked.unwrap_or_else(|elapsed| Err(elapsed.into())) {
        Ok(config) => of_config(&config),
        Err(error) => Some(format!(
            "not verified whether the broker writes messages to disk before it acknowledges them: \
            {monitoring}: {error}"
        )),
    }
}

fn of_config(config: &Value) -> Option<String> {
    if config["sync_always"] == true {
        return None;
    }
    // Before 2.10, the interval is fixed and not reported.
    let interval = match config["sync_interval"].as_u64() {
        Some(nanoseconds) => format!("{:?}", Duration::from_nanos(nanoseconds)),
        None => "2 minutes".to_owned(),
    };
    Some(format!(
        "the broker acknowledges messages up to {interval} before they are on disk: a power \
        failure loses messages whose senders have receipts; {REMEDY}"
    ))
}

/// Returns the JetStream settings that a monitoring port reports.
async fn config(monitoring: &str) -> Result<Value, BoxError> {
    let uri: Uri = format!("{}/jsz?config=1", monitoring.trim_end_matches('/')).parse()?;
    let authority = uri.authority().ok_or("the URL has no host")?;
    let port = authority.port_u16().unwrap_or(80);
    let host = authority.host().trim_matches(['[', ']']);
    let stream = TcpStream::connect((host, port)).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let request = Request::get(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(HOST, authority.as_str())
        .body(Body::empty())?;
    // Both end with the response.
    let (response, _) = tokio::join!(
        async {
            let response = sender.send_request(request).await?;
            let body = Limited::new(response.into_body(), MAX_RESPONSE);
            let text = body.collect().await?.to_bytes();
            drop(sender);
            Ok::<_, BoxError>(serde_json::from_slice::<Value>(&text)?)
        },
        connection
    );
    let mut report = response?;
    match report.get_mut("config").map(Value::take) {
        Some(config) if config.is_object() => Ok(config),
        _ => Err("it does not report JetStream settings".into()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// Answers one request with this JSON, and returns the remark.
    async fn remark_on(json: &'static str) -> Option<String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let count = stream.read(&mut request).await.unwrap();
            let length = json.len();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{json}");
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8(request[..count].to_vec()).unwrap()
        });
        let nats = Nats {
            monitoring: Some(format!("http://{address}/")),
            ..Nats::default()
        };
        let remark = remark(&nats).await;
        let request = served.await.unwrap();
        assert!(
            request.starts_with("GET /jsz?config=1 HTTP/1.1"),
            "{request}"
        );
        remark
    }

    #[tokio::test]
    async fn broker_that_acknowledges_before_the_disk_is_remarked() {
        let with = |remark: Option<String>, words: &str| {
            assert!(
                remark.as_deref().is_some_and(|it| it.contains(words)),
                "{remark:?}"
            );
        };
        let always = r#"{"config":{"sync_interval":120000000000,"sync_always":true}}"#;
        assert_eq!(remark_on(always).await, None);
        let default = r#"{"config":{"max_memory":1,"sync_interval":120000000000}}"#;
        with(
            remark_on(default).await,
            "up to 120s before they are on disk",
        );
        // The answer of 2.9.
        let old = r#"{"config":{"max_memory":1,"store_dir":"/x"}}"#;
        with(
            remark_on(old).await,
            "up to 2 minutes before they are on disk",
        );
        with(
            remark_on("{}").await,
            "it does not report JetStream settings",
        );
        with(remark_on("<html>").await, "not verified whether");
        with(remark(&Nats::default()).await, "set monitoring = ");
    }
}
