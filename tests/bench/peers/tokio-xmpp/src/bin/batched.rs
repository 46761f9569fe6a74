//! Echo that flushes only when no further stanza is ready.

use anyhow::Result;
use futures::{FutureExt, SinkExt, StreamExt};

#[tokio::main]
async fn main() -> Result<()> {
    let mut component = bench_tokio_xmpp::connect().await?;
    loop {
        let stanza = match component.next().now_or_never() {
            Some(ready) => ready,
            None => {
                component.flush().await?;
                component.next().await
            }
        };
        let Some(stanza) = stanza else { return Ok(()) };
        if let Some(answer) = bench_tokio_xmpp::answer(stanza) {
            component.feed(answer).await?;
        }
    }
}
