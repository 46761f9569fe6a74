//! Clients that take connections and do nothing with them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::admin::{component, start, table, until};
use crate::http::{self, TOKEN};
use crate::process::{Running, campanile};
use crate::server::{self, Answer};

/// Opens connections that stay silent. The backlog of the port may be full for a moment.
fn silent(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let connect = |_| TcpStream::connect_timeout(&address, Duration::from_secs(10)).unwrap();
    (0..count).map(connect).collect()
}

#[test]
fn silent_connections_do_not_delay_health_checks() {
    let (address, _events) = server::start(&[Answer::Route]);
    let (_running, admin) = start(&(table() + &component("echo.example.org", address)));
    let clients = silent(admin, 200);
    let began = Instant::now();
    assert_eq!(http::get(admin, "/livez").status, 200);
    let took = began.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
    drop(clients);
}

#[test]
fn health_checks_have_connections_of_their_own() {
    let (address, _events) = server::start(&[Answer::Route]);
    let (_running, admin) = start(&(table() + &component("echo.example.org", address)));
    let mut clients = silent(admin, 64);
    for client in &mut clients {
        // The body never comes.
        let head = format!(
            "POST /api/log HTTP/1.1\r\nHost: {admin}\r\nAuthorization: Bearer {TOKEN}\r\n\
            Content-Length: 100\r\nExpect: 100-continue\r\n\r\n"
        );
        client.write_all(head.as_bytes()).unwrap();
        // The answer shows that the request is being handled.
        let mut answer = [0; 12];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 100");
    }
    let refused = http::get(admin, "/api/state");
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(refused.head.contains("retry-after: 5"), "{refused:?}");
    assert_eq!(http::get(admin, "/livez").status, 200);
    assert_eq!(http::get(admin, "/metrics").status, 200);
    drop(clients);
    until(admin, "/api/state", |answer| answer.status == 200);
}

#[test]
fn api_clients_leave_descriptors_for_the_link() {
    let free = || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let server = free();
    let api = free();
    let (command, folder) = campanile(&["run", "--log-format", "json"]);
    folder.write(
        "campanile.toml",
        &format!(
            "[[component]]\njid = 'bridge.example.org'\naddress = '{server}'\nsecret = 's'\n\
            [component.limits]\nback_off = ['100ms', '200ms']\n\
            [component.json_bridge]\noutbox = false\n\
            api = {{ listen = '{api}', token = 'a-token-of-the-api' }}\n"
        ),
    );
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -n 160 && exec \"$@\"", "sh"])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(folder.path())
        .env("XDG_RUNTIME_DIR", folder.path())
        .stderr(Stdio::piped());
    let mut running = Running::of(limited.spawn().unwrap(), folder);
    running.says("HTTP API started");
    let clients = silent(api, 400);
    let _events = server::serve(TcpListener::bind(server).unwrap(), &[Answer::Route]);
    running.logs("the mount", |event| event["message"] == "mounted");
    assert_eq!(http::get(api, "/healthz").status, 200);
    drop(clients);
}
