//! Server behavior that the snippets in `deploy/` promise.

use std::sync::Arc;
use std::time::Duration;

use campanile_tests::release_is_newer;
use campanile_tests::setup::SECRET;
use campanile_tests::{Component, Ejabberd, Kind, Prosody, RawComponent, Server, Setup, on_both};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const TO_ITSELF: &str = "<iq type='get' id='p1' from='one.localhost/a' to='one.localhost/b'><ping \
    xmlns='urn:xmpp:ping'/></iq>";

fn two() -> Setup {
    Setup::new()
        .component("one.localhost")
        .component(Component::from("two.example.org").secret("other"))
}

async fn components_connect(server: Server) {
    let mut one = RawComponent::attach(&server.component_address(), "one.localhost", SECRET).await;
    let _two = RawComponent::attach(&server.component_address(), "two.example.org", "other").await;
    one.write(TO_ITSELF).await;
    let came = one.read_past("<iq ", "</iq>").await;
    assert!(came.contains("urn:xmpp:ping"), "{came}");
}
on_both!(components_connect, two());

/// Tells the versions in the output, and that the newer ones are in use if they were asked for.
async fn release_is_the_expected_one(server: Server) {
    let release = server.release();
    eprintln!("{:?} {release:?}", server.kind());
    let newer = match server.kind() {
        Kind::Prosody => (13, 0),
        Kind::Ejabberd => (24, 10),
    };
    assert!(
        !release_is_newer() || release >= newer,
        "{:?} {release:?} instead of {newer:?} or later",
        server.kind()
    );
}
on_both!(release_is_the_expected_one, two());

async fn wrong_secret_is_rejected(server: Server) {
    let stream = TcpStream::connect(server.component_address())
        .await
        .unwrap();
    let mut one = RawComponent::open(stream, "one.localhost").await;
    one.authenticate("not the secret").await;
    let words = one.read_past("<", "</stream:stream>").await;
    assert!(
        words.contains("<not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"),
        "{words}"
    );
}
on_both!(wrong_secret_is_rejected, two());

async fn server_keeps_ports_and_data_across_restarts(mut server: Server) {
    let address = server.component_address();
    let mut one = RawComponent::attach(&address, "one.localhost", SECRET).await;
    server.stop().await;
    let rest = one.read_to_end(Duration::from_secs(5)).await;
    assert!(rest.is_ok(), "the stream is still open: {rest:?}");
    assert!(
        TcpStream::connect(&address).await.is_err(),
        "{address} still accepts connections"
    );
    server.start_again().await;
    RawComponent::attach(&address, "one.localhost", SECRET).await;
    server.kill();
    server.start_again().await;
    RawComponent::attach(&address, "one.localhost", SECRET).await;
}
on_both!(server_keeps_ports_and_data_across_restarts, two());

async fn components_connect_over_tls(server: Server) {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(server.ca_file()).unwrap())
        .unwrap();
    let config = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.component_tls_address())
        .await
        .unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .unwrap();
    let mut one = RawComponent::attach_over(stream, "one.localhost", SECRET).await;
    one.write(TO_ITSELF).await;
    one.read_past("<iq ", "</iq>").await;
}
on_both!(components_connect_over_tls, two().tls());

async fn oversized_stanza_closes_stream(server: Server) {
    let mut one = RawComponent::attach(&server.component_address(), "one.localhost", SECRET).await;
    let message = |size| {
        let body = "x".repeat(size);
        format!("<message from='one.localhost' to='one.localhost'><body>{body}</body></message>")
    };
    one.write(&message(20_000)).await;
    one.read_past("<message ", "</message>").await;
    one.write(&message(40_000)).await;
    let words = one.read_past("<stream:error>", "</stream:error>").await;
    let condition = if server.kind() == Kind::Prosody {
        "<not-well-formed"
    } else {
        "<policy-violation"
    };
    assert!(words.contains(condition), "{words}");
}
on_both!(
    oversized_stanza_closes_stream,
    two().max_stanza_size(32_768)
);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prosody_kick_old_replaces_connection() {
    let setup = Setup::new()
        .component(Component::from("one.localhost").kick_old())
        .component("two.localhost");
    let server = Prosody::start(&setup).await;
    let address = server.component_address();
    let mut old = RawComponent::attach(&address, "one.localhost", SECRET).await;
    let _new = RawComponent::attach(&address, "one.localhost", SECRET).await;
    assert!(
        old.read_past("<", "</stream:stream>")
            .await
            .contains("<conflict ")
    );
    let _old = RawComponent::attach(&address, "two.localhost", SECRET).await;
    let mut new =
        RawComponent::open(TcpStream::connect(&address).await.unwrap(), "two.localhost").await;
    new.authenticate(SECRET).await;
    assert!(
        new.read_past("<", "</stream:stream>")
            .await
            .contains("<conflict ")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prosody_shell_runs_commands() {
    let server = Prosody::start(&two()).await;
    let _one = RawComponent::attach(&server.component_address(), "one.localhost", SECRET).await;
    assert!(
        server
            .shell("host:deactivate(\"one.localhost\")")
            .contains("Result: true")
    );
    assert!(
        server
            .shell("host:activate(\"one.localhost\")")
            .contains("Result: true")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ejabberd_shell_runs_commands() {
    let server = Ejabberd::start(&two().user("dora")).await;
    assert_eq!(
        server.shell("registered_users localhost"),
        "alice\nbob\ncarol\ndora\n"
    );
}
