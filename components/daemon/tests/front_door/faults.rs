//! Every fault of a configuration: literal file, literal words.

use crate::process::{campanile, check, end};

/// What is said of an address with a fault; no part of it is cited.
#[cfg(feature = "postgres")]
const POSTGRES: &str = "6:7: `store` is no address of a database\n    write \
    postgres://user:password@host/database, and ?sslmode=verify-full behind it to encrypt";
#[cfg(not(feature = "postgres"))]
const POSTGRES: &str = "6:7: this program was built without PostgreSQL\n    build it with \
    `--features postgres`, or write \"sqlite:presence.db\"";

/// Configurations with one fault: the file, and what is said behind its name.
const ONE: &[(&str, &str)] = &[
    // The file as a whole.
    (
        "",
        "1:1: there is no [[component]]\n    write one for each JID that is served",
    ),
    (
        "colour = 1\n[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'",
        "1:1: unknown key \"colour\" in the file\n    known are server, component, admin",
    ),
    (
        "[servr]\n[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'",
        "1:2: unknown key \"servr\" in the file\n    did you mean `server`?",
    ),
    (
        "[component]\njid='a.b'",
        "1:2: [component] is one table\n    write [[component]], with two brackets: there may be \
        several",
    ),
    (
        "component = 1",
        "1:13: `component` cannot be a number\n    write a list of tables",
    ),
    (
        "server = 'a:1'\n[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'",
        "1:10: `server` cannot be a text\n    write a table",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[echo]",
        "5:2: [echo] belongs to a component\n    write [component.echo] below its [[component]]",
    ),
    // What comes in a later version is not quietly ignored.
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[admin]\ntoken='0123456789abcdef'",
        "5:2: [admin] needs `listen`\n    write listen = \"127.0.0.1:5390\"",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.json_bridge]",
        "5:12: [component.json_bridge] leads nowhere\n    write webhook = { url \
        = \"http://127.0.0.1:8080/hook\" }, or \
         api = { listen = \"127.0.0.1:5391\" }",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.json_bridge]\nwebhook={url='ftp://x'}",
        "6:14: \"ftp://x\" is no http or https URL\n    write an address, as \
        in \"https://bots.example.org/hook\"",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.json_bridge]\napi={listen='x'}",
        "6:13: \"x\" is no address with a port\n    write \"127.0.0.1:5391\" or \"[::1]:5391\"",
    ),
    // The logger.
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.logger]\nretention='90d'",
        "5:12: [component.logger] has no store\n    write store = \"sqlite:logger.db\", the file \
        that it is to be kept in",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.logger]\nstore='mysql:x'",
        "6:7: `store` names no kind of store\n    write \"sqlite:logger.db\", the file that it is \
        to be kept in",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.logger]\nstore='sqlite:x'\nadmin=['a@b']",
        "7:1: unknown key \"admin\" in [component.logger]\n    did you mean `admins`?",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.logger]\nstore='sqlite:x'\nretention='1s'",
        "7:11: `retention` is out of range\n    write \"1m\" to \"36500d\"",
    ),
    // The tap.
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.tap]",
        "5:12: [component.tap] has no archive\n    write archive = \"shop@logger.example.org\", an \
        address of a logger",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.tap]\narchive='x@l.b'",
        "5:12: no [component.logger] of this file serves x@l.b\n    write the store of that logger \
        here: store = \"sqlite:logger.db\"",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.tap]\narchive='x@A.b'\nstore='sqlite:x'",
        "5:12: a component cannot be tapped into an archive of its own\n    write the address of a \
        logger on another JID: this one keeps what it is sent anyway",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.tap]\narchive='x@l.b/r'\nstore='sqlite:x'",
        "6:9: \"x@l.b/r\" is no address of an archive: resource found while parsing a bare \
        JID\n    write an address of a logger, such as \"shop@logger.example.org\"",
    ),
    // The JID.
    (
        "[[component]]\naddress='c:1'\nsecret='d'",
        "1:1: [[component]] has no jid\n    write jid = \"echo.example.org\", the name that the \
        server's configuration has for it",
    ),
    (
        "[[component]]\njid='bot@a.b'\naddress='c:1'\nsecret='d'",
        "2:5: \"bot@a.b\" is an address within a domain\n    a component is mounted on a whole \
        domain, such as \"echo.example.org\"",
    ),
    (
        "[[component]]\njid=''\naddress='c:1'\nsecret='d'",
        "2:5: \"\" is no domain: domain doesn’t pass idna validation\n    a component is mounted \
        on a whole domain, such as \"echo.example.org\"",
    ),
    (
        "[[component]]\njid=1\naddress='c:1'\nsecret='d'",
        "2:5: `jid` cannot be a number\n    write a text in quotation marks",
    ),
    // Spelled differently, it is the same JID.
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[[component]]\njid='A.B'\naddress='c:1'\nsecret='d'",
        "6:5: a.b is already served by the [[component]] at line 2\n    mount everything for one \
        JID in one [[component]]",
    ),
    // The server.
    (
        "[[component]]\njid='a.b'\nsecret='d'",
        "1:1: [[component]] has no address of its server\n    write address = \"127.0.0.1:5347\" \
        here or in [server]",
    ),
    (
        "[server]\naddress='localhost'\n[[component]]\njid='a.b'\nsecret='d'",
        "2:9: \"localhost\" is no server address\n    write host:port, [v6]:port or unix:/path",
    ),
    (
        "[[component]]\njid='a.b'\nsecret='d'\naddress='unix:/x'\ntls={}",
        "5:5: TLS over a UNIX socket needs a name to expect\n    write server_name = \"…\", the \
        name that the server's certificate has",
    ),
    (
        "[[component]]\njid='a.b'\nsecret='d'\naddress='c:1'\ntls={ca_file='none.pem'}",
        "5:14: none.pem cannot be read: No such file or directory (os error 2)\n    name a PEM \
        file with the certificates to trust; paths begin at this file's folder",
    ),
    (
        "[[component]]\njid='a.b'\nsecret='d'\naddress='c:1'\ntls={ca_file='/dev/null'}",
        "5:14: /dev/null holds no certificate\n    name a PEM file with the certificates to trust; \
        paths begin at this file's folder",
    ),
    (
        "[[component]]\njid='a.b'\nsecret='d'\naddress='c:1'\ntls={server_name='a b'}",
        "5:18: \"a b\" is no server name\n    write the name that the server's certificate has",
    ),
    (
        "[[component]]\njid='a.b'\nsecret='d'\naddress='c:1'\ntls=true",
        "5:5: `tls` cannot be true or false\n    write a table",
    ),
    // The secret: exactly one.
    (
        "[[component]]\njid='a.b'\naddress='c:1'",
        "1:1: [[component]] has no secret\n    write one of secret, secret_file, secret_env, \
        secret_credential",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret_file='x'\nsecret='d'",
        "4:1: `secret` and `secret_file` are both given\n    keep one of them",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret=''",
        "4:8: the secret is empty\n    write the one that the server has",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret_file='none'",
        "4:13: none cannot be read: No such file or directory (os error 2)\n    name a file that \
        holds nothing but the secret; paths begin at this file's folder",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret_env='NO_SUCH_SECRET'",
        "4:12: the environment has no NO_SUCH_SECRET\n    set it where campanile is started \
        (systemd: EnvironmentFile=), or use secret_file",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret_credential='echo'",
        "4:19: there are no credentials: systemd did not start this with any\n    write \
        LoadCredential=echo:/path/of/the/secret into the unit",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret_credential='../shadow'",
        "4:19: this is no name of a credential\n    write the name that LoadCredential= has before \
        the colon",
    ),
    // What is mounted.
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.ehco]",
        "5:12: unknown key \"ehco\" in [[component]]\n    did you mean `echo`?",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\necho=true",
        "5:6: `echo` cannot be true or false\n    write a table",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.echo]\nloud=true",
        "6:1: unknown key \"loud\" in [component.echo]\n    remove it: this table has no keys",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.disco]\nnmae='x'",
        "6:1: unknown key \"nmae\" in [component.disco]\n    did you mean `name`?",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.disco]\nidentities=[{category='client'}]",
        "6:13: an identity needs `category` and `type`\n    write both, as registered at \
        https://xmpp.org/registrar/disco-categories.html",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.disco]\ncontacts={abuse=['me']}",
        "6:18: \"me\" is no URI\n    write where to turn to, as in \"mailto:abuse@example.org\" \
        or \"xmpp:help@example.org\"",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.disco.contacts]\npress=[]",
        "6:1: unknown key \"press\" in [component.disco.contacts]\n    known are abuse, admin, \
        feedback, sales, security, status, support",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.presence]",
        "5:12: [component.presence] has no store\n    write store = \"sqlite:presence.db\", \
        or \"memory\" to forget all contacts with the process",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.presence]\nstore='disk'",
        "6:7: `store` names no kind of store\n    write store = \"sqlite:presence.db\", \
        or \"memory\" to forget all contacts with the process",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\ncolour='red'",
        "5:1: unknown key \"colour\" in [[component]]\n    known are jid, secret, secret_file, \
        secret_env, secret_credential, address, tls, allow, deny, rate, disco, logger, limits, \
        tap, json_bridge, presence, vcard, echo",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.presence]\nstore='postgres://a:s3cret@b:port/c'",
        POSTGRES,
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.presence]\nstore='memory'\nacept=true",
        "7:1: unknown key \"acept\" in [component.presence]\n    did you mean `accept`?",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.vcard]\nphoto='no.png'",
        "6:7: no.png cannot be read: No such file or directory (os error 2)\n    name a PNG, JPEG, \
        GIF or WebP file of some 10 KiB; paths begin at this file's folder",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.vcard.bots.weather]\nnmae='x'",
        "6:1: unknown key \"nmae\" in [component.vcard.bots.…]\n    did you mean `name`?",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.vcard.bots.'a b']",
        "5:23: \"a b\" is no localpart: localpart doesn’t pass nodeprep validation\n    name a bot \
        as its address begins, as in [component.vcard.bots.weather]",
    ),
    // Who may write.
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\nallow='a.b'",
        "5:7: `allow` cannot be a text\n    write a list of JIDs and domains",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\ndeny=['a.b', 'x@a.b/phone']",
        "5:14: \"x@a.b/phone\" names one resource: clients choose those anew\n    write \
        user@example.org, or example.org for everybody there",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\nallow=[]",
        "5:7: `allow` names nobody\n    name who may write, or remove it: then everybody may",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.rate]\nper_sender='20'",
        "6:12: `per_sender` cannot be \"20\"\n    write so many stanzas in so much time, as \
        in \"20/s\" or \"1000/10s\"",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.rate]\nper_domain='0/s'",
        "6:12: `per_domain` cannot be \"0/s\"\n    write so many stanzas in so much time, as \
        in \"20/s\" or \"1000/10s\"",
    ),
    // Bounds.
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.limits]\nshutdown_grace='30'",
        "6:16: `shutdown_grace` cannot be \"30\"\n    write a time with its unit, such \
        as \"500ms\", \"30s\", \"5m\" or \"1h\"",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.limits]\nkeepalive='10ms'",
        "6:11: `keepalive` is out of range\n    write \"1s\" to \"1d\"",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.limits]\nmax_stanza_in=9999",
        "6:15: `max_stanza_in` is out of range\n    write 10000 to \"256MiB\"",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.limits]\nmax_stanza_in='1M'",
        "6:15: `max_stanza_in` cannot be \"1M\"\n    write a size, such as 65536, \"64KiB\" \
        or \"1MiB\"",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.limits]\nin_flight=0",
        "6:11: `in_flight` is out of range\n    write 1 to 1000000",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.limits]\nin_flight=-1",
        "6:11: `in_flight` cannot be -1\n    write a whole number",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.limits]\nback_off=['1m','1s']",
        "6:10: `back_off`: the first wait is longer than the longest\n    write the first and the \
        longest wait, as in [\"1s\", \"60s\"]",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.limits]\nhandler-timeout='1s'",
        "6:1: unknown key \"handler-timeout\" in [component.limits]\n    did you mean \
        `handler_timeout`?",
    ),
    // No TOML.
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret=hunter2",
        "4:8: this is no TOML: string values must be quoted, expected literal string\n    see \
        https://toml.io",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\nsecret='e'",
        "5:1: this is no TOML: duplicate key\n    see https://toml.io",
    ),
];

#[test]
fn every_fault_has_its_place_and_its_remedy() {
    for (configuration, words) in ONE {
        let ended = check(configuration);
        assert_eq!(
            ended.stderr,
            format!("stdin:{words}\n1 fault\n"),
            "of\n{configuration}"
        );
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(78), ""),
            "{configuration}"
        );
    }
}

#[test]
fn all_faults_are_found_at_once_and_in_order() {
    let ended = check(
        "[server]\nadress = '127.0.0.1:5347'\n\n[[component]]\njid = 'a@b'\nsercet = \
        'x'\n[component.limits]\nshutdown_grace = 5\n\n\
         [[component]]\njid = 'b\nsecret = 'x'\naddress = 'nowhere'\n",
    );
    let places: Vec<_> = ended
        .stderr
        .lines()
        .filter(|line| line.starts_with("stdin:"))
        .collect();
    assert_eq!(
        places,
        [
            "stdin:2:1: unknown key \"adress\" in [server]",
            "stdin:4:1: [[component]] has no secret",
            "stdin:4:1: [[component]] has no address of its server",
            "stdin:5:7: \"a@b\" is an address within a domain",
            "stdin:6:1: unknown key \"sercet\" in [[component]]",
            "stdin:8:18: `shutdown_grace` cannot be 5",
            "stdin:11:9: this is no TOML: invalid literal string, expected `'`",
            "stdin:13:11: \"nowhere\" is no server address",
        ]
    );
    assert!(ended.stderr.ends_with("8 faults\n"), "{}", ended.stderr);
}

#[test]
fn columns_count_characters_and_bytes_must_be_text() {
    let ended = check(
        "[[component]]\njid = 'a.b' # ümläute\nsecret = 'é'\naddress = 'c:1'\nallow = ['é.b', \
        '@']\n",
    );
    assert!(
        ended.stderr.starts_with("stdin:5:17: \"@\" is no JID: "),
        "{}",
        ended.stderr
    );

    let (mut command, folder) = campanile(&["check", "--config", "latin1.toml"]);
    std::fs::write(folder.path().join("latin1.toml"), b"# gr\xfc\xdfe\n").unwrap();
    let ended = end(&mut command, "");
    assert_eq!(
        ended.stderr,
        "latin1.toml:1:5: this is no UTF-8\n    save the file as UTF-8\n1 fault\n"
    );
}

#[test]
fn what_the_file_says_cannot_command_a_terminal() {
    let ended =
        check("\"\\u001b[2J\\u202e\" = 1\n[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'");
    assert!(
        ended
            .stderr
            .starts_with("stdin:1:1: unknown key \"\\u{1b}[2J\\u{202e}\" in the file\n"),
        "{}",
        ended.stderr
    );
}

#[test]
fn run_finds_the_same_faults() {
    let (mut command, _folder) = campanile(&["run", "--config", "-"]);
    let ended = end(&mut command, "[[component]]\njid='a.b'\naddress='c:1'\n");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""));
    assert!(
        ended
            .stderr
            .starts_with("stdin:1:1: [[component]] has no secret\n    write one of"),
        "{}",
        ended.stderr
    );

    let ended = end(
        command.args(["--log-format", "json"]),
        "[[component]]\njid='a.b'\naddress='c:1'\n",
    );
    assert_eq!(ended.code, Some(78));
    let event: serde_json::Value =
        serde_json::from_str(ended.stderr.trim_end()).expect("one line of JSON");
    assert_eq!(event["level"], "ERROR");
    assert_eq!(event["message"], "[[component]] has no secret");
    assert_eq!(
        (&event["file"], &event["line"], &event["column"]),
        (&"stdin".into(), &1.into(), &1.into())
    );
}
