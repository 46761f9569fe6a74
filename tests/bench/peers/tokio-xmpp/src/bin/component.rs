//! Echo with the loop of tokio-xmpp's example: receive, reply, flush.

use anyhow::Result;
use futures::StreamExt;

#[tokio::main]
async fn main() -> Result<()> {
    let mut component = bench_tokio_xmpp::connect().await?;
    while let Some(stanza) = component.next().await {
        if let Some(answer) = bench_tokio_xmpp::answer(stanza) {
            component.send_stanza(answer).await?;
        }
    }
    Ok(())
}
