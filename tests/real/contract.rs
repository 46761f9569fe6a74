//! The bridge checked with independent tools: the Standard Webhooks library, an OpenAPI validator,
//! and schemathesis, which sends requests within and beyond the API's OpenAPI document.

use std::process::{Command, Output};

use campanile_tests::clients::interpreter;
use campanile_tests::folder::Folder;
use campanile_tests::{Daemon, Prosody, Setup, SlixmppClient, WebhookEndpoint, ports, wait};
use serde_json::json;

use crate::support::mounted;

const SECRET: &str = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0";
/// Duration of the schemathesis run in seconds, unless `CAMPANILE_SCHEMATHESIS` is set.
const SECONDS: &str = "20";

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

const VERIFY: &str = "
import json, sys
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
posted = json.load(sys.stdin)
for secret in sys.argv[1:]:
    Webhook(secret).verify(posted['body'], posted['head'])
for changed in [dict(posted['head'], **{'webhook-id': 'msg_other'}), dict(posted['head'], \
**{'webhook-timestamp': '1'})]:
    try:
        Webhook(sys.argv[1]).verify(posted['body'], changed)
    except WebhookVerificationError:
        continue
    sys.exit('a modified request was accepted')
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standard_webhooks_library_verifies_signature() {
    let server = Prosody::start(&Setup::new().component("bridge.localhost")).await;
    let hook = WebhookEndpoint::start(None).await;
    let old = "whsec_b2xkc2VjcmV0b2xkc2VjcmV0b2xkc2VjcmV0";
    let configuration = format!(
        "[[component]]\njid = 'bridge.localhost'\naddress = '{}'\nsecret = 'a secret for tests'\n\
         [component.json_bridge]\nwebhook = {{ url = 'http://{}/', secret = '{SECRET}', old_secret \
         = '{old}' }}\n",
        server.component_address(),
        hook.address
    );
    let mut daemon = Daemon::start(&configuration);
    mounted(&mut daemon, "bridge.localhost").await;
    let mut alice = SlixmppClient::login(&server, "alice").await;
    alice
        .message("bot@bridge.localhost", "grüße & \"quotes\"")
        .await;
    let posted = wait::until("the request", wait::TIMEOUT, async || {
        hook.posted().first().cloned()
    })
    .await
    .unwrap();
    let folder = Folder::new("posted");
    folder.write(
        "posted.json",
        &json!({"head": posted.head, "body": posted.body}).to_string(),
    );
    let mut verify = Command::new(interpreter());
    verify
        .args(["-c", VERIFY, SECRET, old])
        .stdin(std::fs::File::open(folder.at("posted.json")).unwrap());
    let verified = run(verify).await;
    assert!(verified.status.success(), "{}", said(&verified));
    alice.logout().await;
    assert!(daemon.stop().await.success());
}

const VALIDATE: &str = "
import json, sys, urllib.request
from openapi_spec_validator import validate
validate(json.load(urllib.request.urlopen(sys.argv[1])))
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_api_conforms_to_openapi() {
    let server = Prosody::start(&Setup::new().component("bridge.localhost")).await;
    let api = format!("127.0.0.1:{}", ports::free());
    let configuration = format!(
        "[[component]]\njid = 'bridge.localhost'\naddress = '{}'\nsecret = 'a secret for tests'\n\
         limits = {{ iq_timeout = '2s' }}\n[component.json_bridge]\napi = {{ listen = '{api}', \
         token = 'whole-token-of-the-api' }}\n",
        server.component_address()
    );
    let mut daemon = Daemon::start(&configuration);
    mounted(&mut daemon, "bridge.localhost").await;
    let mut validate = Command::new(interpreter());
    validate.args(["-c", VALIDATE, &format!("http://{api}/v1/openapi.json")]);
    let validated = run(validate).await;
    assert!(validated.status.success(), "{}", said(&validated));
    let seconds = std::env::var("CAMPANILE_SCHEMATHESIS").unwrap_or_else(|_| SECONDS.to_owned());
    let folder = Folder::new("schemathesis");
    // Documented responses for an unresponsive upstream.
    let settings = "[checks.not_a_server_error]\nexpected-statuses = \
        [\"2xx\", \"4xx\", \"502\", \"503\", \"504\"]\n";
    folder.write("schemathesis.toml", settings);
    let mut ask = Command::new(interpreter());
    ask.current_dir(folder.path()).args([
        "-m",
        "schemathesis.cli",
        "run",
        &format!("http://{api}/v1/openapi.json"),
    ]);
    ask.args([
        "--header",
        "Authorization: Bearer whole-token-of-the-api",
        "--max-time",
        &seconds,
        "--workers",
        "1",
    ]);
    ask.args([
        "--checks",
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
    ]);
    // The event stream does not end.
    ask.args(["--exclude-path", "/v1/events", "--request-timeout", "30"]);
    let asked = run(ask).await;
    println!("{}", said(&asked));
    assert!(asked.status.success(), "{}", said(&asked));
    assert!(daemon.stop().await.success());
}
