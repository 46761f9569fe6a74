//! Every fault of a configuration, with its position, text and remedy.

use std::time::{Duration, Instant};

use crate::process::{campanile, check, end};

/// The fault of an invalid database address, which is never quoted.
#[cfg(feature = "postgres")]
const POSTGRES: &str = "6:7: `store` is not a database address\n    help: write \
    postgres://user:password@host/database, and append ?sslmode=verify-full to encrypt";
#[cfg(not(feature = "postgres"))]
const POSTGRES: &str = "6:7: this program was built without PostgreSQL\n    help: rebuild it with \
    `--features postgres`, or write \"sqlite:FILE\"";

/// Expands to a complete component, followed by these lines.
macro_rules! component {
    ($lines:literal) => {
        concat!(
            "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n",
            $lines
        )
    };
}

/// Configurations with one fault, and the output after the file name.
const ONE: &[(&str, &str)] = &[
    // The file as a whole.
    (
        "",
        "1:1: no [[component]] in the file\n    help: write one [[component]] for each JID to \
        serve",
    ),
    (
        "colour = 1\n[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'",
        "1:1: unknown key \"colour\" in the file\n    help: use one of server, component, admin",
    ),
    (
        "[servr]\n[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'",
        "1:2: unknown key \"servr\" in the file\n    help: did you mean `server`?",
    ),
    (
        "[component]\njid='a.b'",
        "1:2: [component] is a single table\n    help: write [[component]] with double brackets; a \
        file may have several",
    ),
    (
        "component = 1",
        "1:1: `component` is not a list of tables\n    help: write [[component]] with double \
        brackets; a file may have several",
    ),
    (
        "server = 'a:1'\n[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'",
        "1:10: `server` cannot be a string\n    help: write [server] on a line of its own",
    ),
    (
        component!("[echo]"),
        "5:2: [echo] belongs to a component\n    help: write [component.echo] below its \
        [[component]]",
    ),
    // Modules that cannot be mounted together.
    (
        component!("[component.echo]\n[component.logger]\nstore='sqlite:a.db'"),
        "6:12: logger cannot be mounted beside echo: route \"message normal or message chat or \
        message groupchat or message headline for any recipient\" overlaps registered route \
        \"message normal or message chat for any recipient\"; [component.echo] is at line 5\n    \
        help: mount one of them on a JID of its own; to archive the traffic of this component, \
        write [component.tap] with archive = \"ARCHIVE@LOGGER\" instead of [component.logger]",
    ),
    (
        component!("[component.json_bridge]\nwebhook={url='http://x'}\n[component.echo]"),
        "5:12: json-bridge cannot be mounted beside echo: route \"any message for any recipient\" \
        overlaps registered route \"message normal or message chat for any recipient\"; \
        [component.echo] is at line 7\n    help: mount one of them on a JID of its own",
    ),
    (
        component!("[component.json_bridge]\nwebhook={url='http://x'}\niq=['urn:a','urn:a']"),
        "7:4: `iq` has \"urn:a\" twice\n    help: remove one of them",
    ),
    (
        component!("[component.logger]\nstore='sqlite:a.db'\nformats=['']"),
        "7:9: `formats` has an empty text\n    help: remove it, or write a namespace such as \
        \"urn:example:order\"",
    ),
    (
        component!("[component.logger]\nstore='sqlite:a.db'\nformats=[\"a\\u0001\"]"),
        "7:9: `formats` has a control character, which XML does not allow\n    help: write a \
        namespace such as \"urn:example:order\"",
    ),
    // A device that never ends.
    (
        component!("tls={ca_file='/dev/zero'}"),
        "5:14: cannot read /dev/zero: larger than 4 MiB\n    help: name a PEM file of trusted \
        certificates; paths are relative to this file's folder",
    ),
    (
        component!("[component.vcard]\nphoto='/dev/zero'"),
        "6:7: cannot read /dev/zero: larger than 4 MiB\n    help: name a PNG, JPEG, GIF or WebP file \
        of about 10 KiB; paths are relative to this file's folder",
    ),
    // The admin port and the bridge.
    (
        component!("[admin]\ntoken='0123456789abcdef'"),
        "5:2: [admin] has no listen\n    help: write listen = \"127.0.0.1:5390\"",
    ),
    (
        component!("[component.json_bridge]"),
        "5:12: [component.json_bridge] needs a webhook, an api, bots or a nats section\n    help: \
        write webhook = { url = \"http://127.0.0.1:8080/hook\" }, or \
         api = { listen = \"127.0.0.1:5391\" }",
    ),
    (
        component!("[component.json_bridge]\nwebhook={url='ftp://x'}"),
        "6:14: \"ftp://x\" is not an http or https URL\n    help: write a URL, \
        such as \"https://bots.example.org/hook\"",
    ),
    (
        component!("[component.json_bridge]\napi={listen='x'}"),
        "6:13: \"x\" is not an address with a port\n    help: write \"127.0.0.1:5391\" or \
        \"[::1]:5391\"",
    ),
    (
        component!("[component.json_bridge]\nwebhook={url='http://127.0.0.5:99999/hook'}"),
        "6:14: \"99999\" in the URL is not a port from 1 to 65535\n    help: write a URL, such as \
        \"https://bots.example.org/hook\"",
    ),
    (
        component!("[component.json_bridge]\nwebhook={url='https://x',ca_file='/none.pem'}"),
        "6:34: cannot read /none.pem: No such file or directory (os error 2)\n    help: name a PEM \
        file of trusted certificates; paths are relative to this file's folder",
    ),
    (
        component!("[component.json_bridge]\nwebhook={url='http://x',secret='hunter2'}"),
        "6:32: this is not a webhook secret: `whsec_` and the base64 of 24 to 64 bytes\n    help: \
        make one for both sides: echo \"whsec_$(openssl rand -base64 32)\"",
    ),
    (
        component!("[component.json_bridge]\nwebhook={url='http://x',old_secret='whsec_'}"),
        "6:36: this is not a webhook secret: `whsec_` and the base64 of 24 to 64 bytes\n    help: \
        make one for both sides: echo \"whsec_$(openssl rand -base64 32)\"",
    ),
    (
        component!("[component.json_bridge]\napi={listen='127.0.0.1:1',token='0123456789abcde'}"),
        "6:33: the token of the HTTP API is too short\n    help: use at least 16 random \
        characters, such as the output of `openssl rand -hex 24`",
    ),
    (
        component!(
            "[component.json_bridge]\napi={listen='127.0.0.1:1',token='0123456789abcdef'}\n\
            [admin]\nlisten='127.0.0.1:2'\ntoken='0123456789abcdef'"
        ),
        "6:33: this token is used twice in the file\n    help: make each token by itself, such as \
        with `openssl rand -hex 24`",
    ),
    (
        component!(
            "[component.json_bridge]\nwebhook={secret='whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0'}"
        ),
        "6:9: [component.json_bridge.webhook] has no url\n    help: write url = \
        \"http://127.0.0.1:8080/hook\", where the handler listens",
    ),
    (
        component!("[component.json_bridge]\nwebhook={url='http://x',time_out='1s'}"),
        "6:25: unknown key \"time_out\" in [component.json_bridge.webhook]\n    help: did you mean `timeout`?",
    ),
    (
        component!("[component.json_bridge]\nwebhook='http://x'"),
        "6:9: `webhook` cannot be a string\n    help: write a webhook, as in { url = \
        \"http://127.0.0.1:8080/hook\", secret_env = \"HOOK_SECRET\" }",
    ),
    (
        component!("[component.json_bridge]\napi={listen='127.0.0.1:1'}\nto='a.b'"),
        "7:4: `to` cannot be a string\n    help: write a list of JIDs and domains, or \"anybody\"",
    ),
    (
        component!("[component.json_bridge]\napi={listen='127.0.0.1:1'}\nxml='s3cret'"),
        "7:5: `xml` is not a known word\n    help: write \"never\", \"lossless\" or \"always\"",
    ),
    (
        component!("[component.json_bridge.bots.'a b']\nname='x'"),
        "5:29: \"a b\" is not a localpart\n    help: name a bot by its localpart, as in \
        [component.json_bridge.bots.helpdesk]",
    ),
    (
        component!("[component.json_bridge.bots.x]\navatar='no.png'"),
        "6:8: cannot read no.png: No such file or directory (os error 2)\n    help: name a PNG, JPEG, \
        GIF or WebP file of about 10 KiB; paths are relative to this file's folder",
    ),
    (
        component!("[component.json_bridge]\napi={listen='127.0.0.1:1'}\noutbox=true"),
        "7:8: `outbox` cannot be a boolean\n    help: write the path of a file in quotation marks, or false",
    ),
    (
        component!(
            "[component.json_bridge.bots]\nhelp={webhook={url='http://x'}}\nHelp={webhook={url='http://y'}}"
        ),
        "5:24: [component.json_bridge.bots] has two keys for help\n    help: keep one of them; upper \
        and lower case make no difference",
    ),
    (
        component!("[component.vcard.bots]\nhelp={}\nHelp={}"),
        "5:18: [component.vcard.bots] has two keys for help\n    help: keep one of them; upper \
        and lower case make no difference",
    ),
    // Keys that are secrets, in any table.
    (
        component!("[component.json_bridge]\napi={listen='127.0.0.1:1',token_env='NO_SUCH_TOKEN'}"),
        "6:37: environment variable NO_SUCH_TOKEN is not set\n    help: set it where campanile is \
        started (systemd: EnvironmentFile=), or use token_file",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret=1",
        "4:8: `secret` is not a string\n    help: write a string in quotation marks",
    ),
    (
        component!("[component.limits]\nsecret_file='/dev/null'"),
        "6:13: the secret is empty\n    help: write the secret configured on the server",
    ),
    // Numbers.
    (
        component!("[component.limits]\nin_flight=99999999999999999999"),
        "6:11: `in_flight` has a number out of range\n    help: write a smaller number",
    ),
    // The logger.
    (
        component!("[component.logger]\nretention='90d'"),
        "5:12: [component.logger] has no store\n    help: write store = \"sqlite:logger.db\" to \
        keep the archive in that file",
    ),
    (
        component!("[component.logger]\nstore='mysql:x'"),
        "6:7: `store` is not a known kind of store\n    help: write \"sqlite:FILE\", such as \
        \"sqlite:campanile.db\"",
    ),
    (
        component!("[component.logger]\nstore='sqlite:x'\nadmin=['a@b']"),
        "7:1: unknown key \"admin\" in [component.logger]\n    help: did you mean `admins`?",
    ),
    (
        component!("[component.logger]\nstore='sqlite:x'\nallow_erasure='no'"),
        "7:15: `allow_erasure` cannot be a string\n    help: write true or false",
    ),
    (
        component!("[component.logger]\nstore='sqlite:x'\nsignals='all'"),
        "7:9: `signals` cannot be a string\n    help: write true or false",
    ),
    (
        component!("[component.logger]\nstore='sqlite:x'\nallow_opt_out=0"),
        "7:15: `allow_opt_out` cannot be a number\n    help: write true or false",
    ),
    (
        component!("[component.logger]\nstore='sqlite:x'\nretention='1s'"),
        "7:11: `retention` is out of range\n    help: write a value from \"1m\" to \"36500d\"",
    ),
    // The tap.
    (
        component!("[component.tap]"),
        "5:12: [component.tap] has no archive\n    help: write archive = \
        \"shop@logger.example.org\", an address of a logger",
    ),
    (
        component!("[component.tap]\narchive='x@l.b'"),
        "5:12: no [component.logger] in this file serves x@l.b\n    help: add the store of that \
        logger: store = \"sqlite:logger.db\"",
    ),
    (
        component!("[component.tap]\narchive='x@A.b'\nstore='sqlite:x'"),
        "5:12: a component cannot be tapped into its own archive\n    help: write the address of a \
        logger on another JID; this one archives what it receives anyway",
    ),
    (
        component!("[component.tap]\narchive='x@l.b/r'\nstore='sqlite:x'"),
        "6:9: \"x@l.b/r\" is not an archive address: resource found while parsing a bare \
        JID\n    help: write a bare JID of a logger, such as \"shop@logger.example.org\"",
    ),
    // The JID.
    (
        "[[component]]\naddress='c:1'\nsecret='d'",
        "1:1: [[component]] has no jid\n    help: write jid = \"echo.example.org\", the domain \
        configured on the server",
    ),
    (
        "[[component]]\njid='bot@a.b'\naddress='c:1'\nsecret='d'",
        "2:5: \"bot@a.b\" is an address within a domain\n    help: write a whole domain \
        without a scheme or port, such as \"echo.example.org\"",
    ),
    (
        "[[component]]\njid=''\naddress='c:1'\nsecret='d'",
        "2:5: \"\" is not a domain\n    help: write a whole domain without a scheme or port, such \
        as \"echo.example.org\"",
    ),
    (
        "[[component]]\njid='http://a.b'\naddress='c:1'\nsecret='d'",
        "2:5: \"http://a.b\" is not a domain\n    help: leave out http://, and write the domain \
        alone",
    ),
    (
        "[[component]]\njid='a.b'\naddress='http://c:1'\nsecret='d'",
        "3:9: \"http://c:1\" is not a server address\n    help: leave out http://; write \
        host:port, [v6]:port or unix:/path",
    ),
    (
        "[[component]]\njid=1\naddress='c:1'\nsecret='d'",
        "2:5: `jid` cannot be a number\n    help: write a string in quotation marks",
    ),
    // The same JID in another spelling.
    (
        component!("[[component]]\njid='A.B'\naddress='c:1'\nsecret='d'"),
        "6:5: a.b is already served by the [[component]] at line 2\n    help: mount everything for \
        one JID in one [[component]]",
    ),
    // The server.
    (
        "[[component]]\njid='a.b'\nsecret='d'",
        "1:1: [[component]] has no server address\n    help: write address = \"127.0.0.1:5347\" \
        here or in [server]",
    ),
    (
        "[server]\naddress='localhost'\n[[component]]\njid='a.b'\nsecret='d'",
        "2:9: \"localhost\" is not a server address\n    help: write host:port, [v6]:port or \
        unix:/path",
    ),
    (
        "[[component]]\njid='a.b'\nsecret='d'\naddress='unix:/x'\ntls={}",
        "5:5: TLS over a UNIX socket needs `server_name`\n    help: write server_name = \"…\", the \
        name in the server's certificate",
    ),
    (
        "[[component]]\njid='a.b'\nsecret='d'\naddress='c:1'\ntls={ca_file='none.pem'}",
        "5:14: cannot read none.pem: No such file or directory (os error 2)\n    help: name a PEM \
        file of trusted certificates; paths are relative to this file's folder",
    ),
    (
        "[[component]]\njid='a.b'\nsecret='d'\naddress='c:1'\ntls={ca_file='/dev/null'}",
        "5:14: no certificate in /dev/null\n    help: name a PEM file of trusted certificates; \
        paths are relative to this file's folder",
    ),
    (
        "[[component]]\njid='a.b'\nsecret='d'\naddress='c:1'\ntls={server_name='a b'}",
        "5:18: \"a b\" is not a server name\n    help: write the name in the server's certificate",
    ),
    (
        "[[component]]\njid='a.b'\nsecret='d'\naddress='c:1'\ntls=true",
        "5:5: `tls` cannot be a boolean\n    help: write a table",
    ),
    // The secret: exactly one.
    (
        "[[component]]\njid='a.b'\naddress='c:1'",
        "1:1: [[component]] has no secret\n    help: write one of secret, secret_file, secret_env, \
        secret_credential",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret_file='x'\nsecret='d'",
        "4:1: `secret` and `secret_file` are both given\n    help: keep one of them",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret=''",
        "4:8: the secret is empty\n    help: write the secret configured on the server",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret_file='none'",
        "4:13: cannot read none: No such file or directory (os error 2)\n    help: name a file \
        that holds only the secret; paths are relative to this file's folder",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret_env='NO_SUCH_SECRET'",
        "4:12: environment variable NO_SUCH_SECRET is not set\n    help: set it where campanile is \
        started (systemd: EnvironmentFile=), or use secret_file",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret_credential='echo'",
        "4:19: no systemd credentials: CREDENTIALS_DIRECTORY is not set\n    help: add \
        LoadCredential=echo:/path/to/secret to the unit",
    ),
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret_credential='../shadow'",
        "4:19: this is not a credential name\n    help: write the name before the colon in \
        LoadCredential=",
    ),
    // Modules.
    (
        component!("[component.ehco]"),
        "5:12: unknown key \"ehco\" in [[component]]\n    help: did you mean `echo`?",
    ),
    (
        component!("echo=true"),
        "5:6: `echo` cannot be a boolean\n    help: write [component.echo] on a line of its own",
    ),
    (
        component!("[component.echo]\nloud=true"),
        "6:1: unknown key \"loud\" in [component.echo]\n    help: remove it; this table has no \
        keys",
    ),
    (
        component!("[component.disco]\nnmae='x'"),
        "6:1: unknown key \"nmae\" in [component.disco]\n    help: did you mean `name`?",
    ),
    (
        component!("[component.disco]\nidentities=[{category='client'}]"),
        "6:13: an identity needs `category` and `type`\n    help: write both, as registered at \
        https://xmpp.org/registrar/disco-categories.html",
    ),
    (
        component!("[component.disco]\ncontacts={abuse=['me']}"),
        "6:18: \"me\" is not a URI\n    help: write a contact URI, such as \
        \"mailto:abuse@example.org\" or \"xmpp:help@example.org\"",
    ),
    (
        component!("[component.disco.contacts]\npress=[]"),
        "6:1: unknown key \"press\" in [component.disco.contacts]\n    help: use one of abuse, \
        admin, feedback, sales, security, status, support",
    ),
    (
        component!("[component.presence]"),
        "5:12: [component.presence] has no store\n    help: write store = \"sqlite:presence.db\", \
        or \"memory\" to lose all contacts on exit",
    ),
    (
        component!("[component.presence]\nstore='disk'"),
        "6:7: `store` is not a known kind of store\n    help: write store = \
        \"sqlite:presence.db\", or \"memory\" to lose all contacts on exit",
    ),
    (
        component!("colour='red'"),
        "5:1: unknown key \"colour\" in [[component]]\n    help: use one of jid, secret, \
        secret_file, secret_env, secret_credential, address, tls, allow, deny, rate, disco, \
        logger, limits, tap, json_bridge, presence, vcard, echo",
    ),
    (
        component!("[component.presence]\nstore='postgres://a:s3cret@b:port/c'"),
        POSTGRES,
    ),
    (
        component!("[component.presence]\nstore='memory'\nacept=true"),
        "7:1: unknown key \"acept\" in [component.presence]\n    help: did you mean `accept`?",
    ),
    (
        component!("[component.vcard]\nphoto='no.png'"),
        "6:7: cannot read no.png: No such file or directory (os error 2)\n    help: name a PNG, \
        JPEG, GIF or WebP file of about 10 KiB; paths are relative to this file's folder",
    ),
    (
        component!("[component.vcard.bots.weather]\nnmae='x'"),
        "6:1: unknown key \"nmae\" in [component.vcard.bots.weather]\n    help: did you mean `name`?",
    ),
    (
        component!("[component.vcard.bots.'a b']"),
        "5:23: invalid localpart \"a b\": localpart doesn’t pass nodeprep validation\n    help: \
        name a bot by its localpart, as in [component.vcard.bots.weather]",
    ),
    // Permissions and rate limits.
    (
        component!("allow='a.b'"),
        "5:7: `allow` cannot be a string\n    help: write a list of JIDs and domains",
    ),
    (
        component!("deny=['a.b', 'x@a.b/phone']"),
        "5:14: \"x@a.b/phone\" has a resource, which changes with each login\n    help: write \
        user@example.org, or example.org for all of its users",
    ),
    (
        component!("allow=[]"),
        "5:7: `allow` is empty\n    help: list the permitted senders, or remove `allow` to permit \
        everyone",
    ),
    (
        component!("[component.rate]\nper_sender='20'"),
        "6:12: `per_sender` cannot be \"20\"\n    help: write a rate, such as \"20/s\" or \
        \"1000/10s\"",
    ),
    (
        component!("[component.rate]\nper_domain='0/s'"),
        "6:12: `per_domain` cannot be \"0/s\"\n    help: write a rate, such as \"20/s\" or \
        \"1000/10s\"",
    ),
    // Limits.
    (
        component!("[component.limits]\nshutdown_grace='30'"),
        "6:16: `shutdown_grace` cannot be \"30\"\n    help: write a duration with its unit, such \
        as \"500ms\", \"30s\", \"5m\" or \"1h\"",
    ),
    (
        component!("[component.limits]\nkeepalive='10ms'"),
        "6:11: `keepalive` is out of range\n    help: write a value from \"1s\" to \"1d\"",
    ),
    (
        component!("[component.limits]\nmax_stanza_in=9999"),
        "6:15: `max_stanza_in` is out of range\n    help: write a value from 10000 to \"256MiB\"",
    ),
    (
        component!("[component.limits]\nmax_stanza_in='1M'"),
        "6:15: `max_stanza_in` cannot be \"1M\"\n    help: write a size, such as 65536, \"64KiB\" \
        or \"1MiB\"",
    ),
    (
        component!("[component.limits]\nin_flight=0"),
        "6:11: `in_flight` is out of range\n    help: write a value from 1 to 1000000",
    ),
    (
        component!("[component.limits]\nin_flight=-1"),
        "6:11: `in_flight` cannot be -1\n    help: write a whole number",
    ),
    (
        component!("[component.limits]\nback_off=['1m','1s']"),
        "6:10: `back_off`: the first delay exceeds the longest\n    help: write the first and the \
        longest delay, such as [\"1s\", \"60s\"]",
    ),
    (
        component!("[component.limits]\nhandler-timeout='1s'"),
        "6:1: unknown key \"handler-timeout\" in [component.limits]\n    help: did you mean \
        `handler_timeout`?",
    ),
    // Invalid TOML.
    (
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret=hunter2",
        "4:8: invalid TOML: the value of `secret` has no quotation marks\n    help: put it in \
        quotation marks: secret = \"…\"",
    ),
    (
        "[[component]]\njid='a.b'\naddress=127.0.0.1:5347\nsecret='d'",
        "3:14: invalid TOML: the value of `address` has no quotation marks\n    help: put it in \
        quotation marks: address = \"…\"",
    ),
    (
        component!("[component.limits]\nin_flight=1 000"),
        "6:11: invalid TOML: string values must be quoted, expected literal string\n    help: see \
        https://toml.io; strings need quotation marks",
    ),
    (
        component!("[component.logger]\nstore='sqlite:l.db'\nretention='90'"),
        "7:11: `retention` cannot be \"90\"\n    help: write a duration with its unit, such as \
        \"30s\", \"5m\", \"1h\" or \"90d\"",
    ),
    (
        component!("secret='e'"),
        "5:1: invalid TOML: duplicate key\n    help: write each key and each table once",
    ),
];

#[test]
fn every_fault_has_position_and_remedy() {
    let mut differences = String::new();
    for (configuration, words) in ONE {
        let ended = check(configuration);
        let wanted = format!("stdin:{words}\n1 fault\n");
        if ended.stderr != wanted {
            differences += &format!(
                "of\n{configuration}\nwanted {wanted}found {}\n",
                ended.stderr
            );
        }
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(78), ""),
            "{configuration}"
        );
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn all_faults_are_reported_at_once_in_file_order() {
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
            "stdin:4:1: [[component]] has no server address",
            "stdin:5:7: \"a@b\" is an address within a domain",
            "stdin:6:1: unknown key \"sercet\" in [[component]]",
            "stdin:8:18: `shutdown_grace` cannot be 5",
            "stdin:11:9: invalid TOML: invalid literal string, expected `'`",
            "stdin:13:11: \"nowhere\" is not a server address",
        ]
    );
    assert!(ended.stderr.ends_with("8 faults\n"), "{}", ended.stderr);
}

/// With --config, a path may name any large file.
#[test]
fn file_of_another_format_is_rejected_at_once() {
    let began = Instant::now();
    let ended = check(&"y\n".repeat(512 * 1024));
    assert_eq!(ended.code, Some(78));
    let faults = ended.stderr.matches("invalid TOML").count();
    assert_eq!(faults, 100, "{}", ended.stderr);
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn columns_count_characters_and_input_must_be_utf8() {
    let ended = check(
        "[[component]]\njid = 'a.b' # ümläute\nsecret = 'é'\naddress = 'c:1'\nallow = ['é.b', \
        '@']\n",
    );
    assert!(
        ended.stderr.starts_with("stdin:5:17: \"@\" is not a JID: "),
        "{}",
        ended.stderr
    );

    let (mut command, folder) = campanile(&["check", "--config", "latin1.toml"]);
    std::fs::write(folder.path().join("latin1.toml"), b"# gr\xfc\xdfe\n").unwrap();
    let ended = end(&mut command, "");
    assert_eq!(
        ended.stderr,
        "latin1.toml:1:5: invalid UTF-8\n    help: save the file as UTF-8\n1 fault\n"
    );
}

#[test]
fn text_of_the_file_is_escaped() {
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
fn run_reports_the_same_faults() {
    let (mut command, _folder) = campanile(&["run", "--config", "-"]);
    let ended = end(&mut command, "[[component]]\njid='a.b'\naddress='c:1'\n");
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(78), ""));
    assert!(
        ended
            .stderr
            .starts_with("stdin:1:1: [[component]] has no secret\n    help: write one of"),
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
