//! The daemon beside real servers: what it answers, what it survives, how it says no.

use std::time::{Duration, Instant};

use campanile_tests::{Daemon, Ejabberd, Person, Prosody, RustPerson, Server, Setup, on_both};

const DATA: &str = "<data xmlns='MY-FORMAT-NS'>vgreg%G% B%$t54T%$gqfg4fgAEAE\nF$£T B£%$BYQAgregOK OKo ===</data>";
const TEXT: &str = "vgreg%G% B%$t54T%$gqfg4fgAEAE\nF$£T B£%$BYQAgregOK OKo ===";
const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";

fn setup() -> Setup {
    Setup::new().component("echo.localhost").component("disco.localhost")
}

/// Two components; short waits, so that a test sees what a day would show.
fn configuration(server: &Server) -> String {
    components(&server.component_address())
}

fn components(address: &str) -> String {
    let limits = "limits = { keepalive = \"1s\", keepalive_deadline = \"3s\", back_off = [\"200ms\", \"1s\"], slow_retry = [\"1s\", \"2s\"] }";
    format!(
        "[server]\naddress = \"{address}\"\n\
         [[component]]\njid = \"echo.localhost\"\nsecret = \"a secret for tests\"\n{limits}\n[component.echo]\n\
         [[component]]\njid = \"disco.localhost\"\nsecret = \"a secret for tests\"\n{limits}\n[component.disco]\nname = \"A test\"\n"
    )
}

async fn mounted(daemon: &mut Daemon, jid: &str) {
    let jid = jid.to_owned();
    daemon.logs(&format!("that {jid} is mounted"), move |line| says(line, "mounted", &jid)).await;
}

fn says(line: &serde_json::Value, message: &str, jid: &str) -> bool {
    let text = line.to_string();
    text.contains(&format!("\"{message}\"")) && text.contains(jid)
}

async fn the_echo_and_its_disco(server: Server) {
    let mut daemon = Daemon::start(&configuration(&server));
    mounted(&mut daemon, "echo.localhost").await;
    mounted(&mut daemon, "disco.localhost").await;
    let mut alice = Person::login(&server, "alice").await;

    let id = alice.message("echo.localhost", "hello & <welcome>").await;
    let echo = alice.message_from("echo.localhost").await;
    assert_eq!((echo.attr("id"), echo.body().as_deref()), (id.as_str(), Some("hello & <welcome>")));

    alice.message_with("bot@echo.localhost", "chat", None, DATA).await;
    let echo = alice.message_from("bot@echo.localhost").await;
    let data = echo.child("data", "MY-FORMAT-NS").unwrap_or_else(|| panic!("no data in {}", echo.xml));
    assert_eq!(data.text(), TEXT);

    for jid in ["echo.localhost", "disco.localhost"] {
        let info = alice.disco_info(jid, None).await.unwrap();
        let query = info.child("query", DISCO_INFO).unwrap();
        let features: Vec<_> =
            query.children().filter(|child| child.name() == "feature").filter_map(|f| f.attr("var")).collect();
        let wanted = [
            DISCO_INFO,
            "http://jabber.org/protocol/disco#items",
            "jabber:iq:last",
            "jabber:iq:version",
            "urn:xmpp:ping",
            "urn:xmpp:time",
        ];
        assert_eq!(features, wanted, "{}", info.xml);
        for payload in [
            "<ping xmlns='urn:xmpp:ping'/>",
            "<query xmlns='jabber:iq:version'/>",
            "<time xmlns='urn:xmpp:time'/>",
            "<query xmlns='jabber:iq:last'/>",
        ] {
            let answer = alice.iq("get", jid, payload).await.unwrap();
            assert_eq!(answer.error(), None, "{payload}: {}", answer.xml);
        }
        let unhandled = alice.iq("get", jid, "<nothing xmlns='urn:example:nothing'/>").await.unwrap();
        assert_eq!(unhandled.error().as_deref(), Some("cancel/service-unavailable"));
    }

    alice.take_all();
    // Answers to nothing get nothing: the next thing that comes is the echo of what was written after them.
    alice.raw("<iq type='result' to='echo.localhost' id='r1'/>").await;
    alice.raw("<iq type='error' to='echo.localhost' id='r2'><error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>").await;
    alice.message("echo.localhost", "last").await;
    let next = alice.next("anything from the component", |it| it.attr("from").contains("echo.localhost")).await;
    assert_eq!(next.body().as_deref(), Some("last"), "{}", next.xml);
    assert!(daemon.stop().await.success());
}
on_both!(the_echo_and_its_disco, setup());

/// The stanzas that end the stream of a library that parses each of them (peers of ours do).
async fn stanzas_that_no_parser_takes(server: Server) {
    let mut daemon = Daemon::start(&configuration(&server));
    mounted(&mut daemon, "echo.localhost").await;
    let mut alice = Person::login(&server, "alice").await;
    for stanza in [
        "<iq type='error' to='echo.localhost' id='h1'/>",
        "<iq type='get' to='echo.localhost' id='h2'/>",
        "<iq type='get' to='echo.localhost'><ping xmlns='urn:xmpp:ping'/></iq>",
        "<message type='weird' to='echo.localhost' id='h4'><body>weird</body></message>",
        "<presence to='echo.localhost' id='h5'><show>busy</show></presence>",
        "<presence to='echo.localhost' id='h6'><show/></presence>",
        "<presence to='echo.localhost' id='h7'><priority>200</priority></presence>",
        "<presence type='invisible' to='echo.localhost' id='h8'/>",
    ] {
        alice.raw(stanza).await;
        let id = alice.message("echo.localhost", "still there?").await;
        let echo = alice.next("the echo", |it| it.is("message") && it.attr("id") == id).await;
        assert_eq!(echo.body().as_deref(), Some("still there?"), "after {stanza}");
    }
    assert!(daemon.stop().await.success());
}
on_both!(stanzas_that_no_parser_takes, setup());

async fn a_server_that_comes_and_goes(mut server: Server) {
    let mut daemon = Daemon::start(&configuration(&server));
    mounted(&mut daemon, "echo.localhost").await;
    for round in 0..5 {
        server.stop().await;
        server.start_again().await;
        let mut bob = RustPerson::login(&server, "bob").await;
        let started = Instant::now();
        // Until the component is back the server answers in its place; asked again, it is there.
        loop {
            if bob.get("echo.localhost", "<ping xmlns='urn:xmpp:ping'/>").await.is_ok() {
                break;
            }
            assert!(started.elapsed() < Duration::from_secs(30), "round {round}: not back\n{}", daemon.output().tail());
        }
        bob.message("echo.localhost", "back?").await;
        assert_eq!(bob.message_from("echo.localhost").await.bodies.values().next().map(String::as_str), Some("back?"));
        bob.logout().await;
    }
    assert!(daemon.stop().await.success());
}
on_both!(a_server_that_comes_and_goes, setup());

async fn a_secret_that_is_wrong(server: Server) {
    let mut daemon = Daemon::start(&configuration(&server).replace("a secret for tests", "wrong"));
    let status = daemon.wait(Duration::from_secs(10)).await;
    assert_eq!(status.code(), Some(69), "{}", daemon.output().tail());
    let said = daemon.output().tail().to_string();
    assert!(said.contains("secret is wrong"), "{said}");
    assert!(!said.contains("\"wrong\""), "a secret was shown: {said}");
}
on_both!(a_secret_that_is_wrong, setup());

async fn a_domain_that_the_server_does_not_know(server: Server) {
    let unknown =
        configuration(&server).replace("echo.localhost", "x.localhost").replace("disco.localhost", "y.localhost");
    let mut daemon = Daemon::start(&unknown);
    let status = daemon.wait(Duration::from_secs(10)).await;
    assert_eq!(status.code(), Some(69), "{}", daemon.output().tail());
    assert!(daemon.output().tail().to_string().contains("x.localhost"));
}
on_both!(a_domain_that_the_server_does_not_know, setup());

/// After a deactivation Prosody keeps the link and routes nothing to it: only the ping to ourselves finds that.
#[tokio::test]
async fn prosody_takes_the_route_away_and_gives_it_back() {
    let server = Prosody::start(&setup()).await;
    let mut daemon = Daemon::start(&configuration(&server));
    mounted(&mut daemon, "echo.localhost").await;
    server.shell("host:deactivate('echo.localhost')");
    daemon.logs("that the route is gone", |line| says_not_mounted(line, "echo.localhost")).await;
    server.shell("host:activate('echo.localhost')");
    let mut bob = RustPerson::login(&server, "bob").await;
    let started = Instant::now();
    while bob.get("echo.localhost", "<ping xmlns='urn:xmpp:ping'/>").await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(30), "not back\n{}", daemon.output().tail());
    }
    assert!(daemon.stop().await.success());
}

fn says_not_mounted(line: &serde_json::Value, jid: &str) -> bool {
    let text = line.to_string();
    text.contains("not mounted") && text.contains(jid)
}

/// One process, one file, two servers.
#[tokio::test]
async fn both_servers_at_once() {
    let (prosody, ejabberd) = (Prosody::start(&setup()).await, Ejabberd::start(&setup()).await);
    let component = |jid: &str, server: &Server| {
        let address = server.component_address();
        format!(
            "[[component]]\njid = \"{jid}\"\naddress = \"{address}\"\nsecret = \"a secret for tests\"\n\
             [component.echo]\n[component.disco]\nname = \"{jid}\"\n"
        )
    };
    let places = [("echo.localhost", &prosody), ("disco.localhost", &ejabberd)];
    let mut daemon = Daemon::start(&places.map(|(jid, server)| component(jid, server)).concat());
    for (jid, server) in places {
        mounted(&mut daemon, jid).await;
        let mut alice = Person::login(server, "alice").await;
        alice.message(jid, "hello").await;
        assert_eq!(alice.message_from(jid).await.body().as_deref(), Some("hello"));
        let info = alice.disco_info(jid, None).await.unwrap();
        assert!(info.xml.contains(&format!("name=\"{jid}\"")), "{}", info.xml);
    }
    assert!(daemon.stop().await.success());
}
