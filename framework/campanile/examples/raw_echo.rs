//! An echo component as a bare `tower::Service`, without a router, to measure the overhead of the
//! framework alone.
//!
//! ```sh
//! cargo run --release --example raw_echo -- echo.localhost SECRET 127.0.0.1:5347
//! ```

use campanile::component::Component;
use campanile::error::BoxError;
use campanile::inbound::Inbound;
use campanile::reply::Reply;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    let mut args = std::env::args().skip(1);
    let domain = args.next().unwrap_or_default();
    let secret = args.next().unwrap_or_default();
    let server = args.next().unwrap_or_default();
    let echo = tower::service_fn(|inbound: Inbound| async move {
        Ok::<_, BoxError>(Reply::Children(inbound.stanza().children().clone()))
    });
    Component::builder(domain)
        .server(server)
        .secret(secret)
        .service(echo)
        .build()?
        .run()
        .await?;
    Ok(())
}
