//! `[component.tap]`: the traffic of one component is recorded in the archive of another.

use std::net::TcpListener;

use crate::process::{Running, campanile, end};
use crate::stream::Stream;

#[test]
fn tap_records_both_directions() {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [echo, logger] =
        [&listeners[0], &listeners[1]].map(|listener| listener.local_addr().unwrap());
    let (mut export, folder) = campanile(&["archive", "--config", "campanile.toml", "export"]);
    let configuration = format!(
        "[[component]]\njid = 'echo.example.org'\naddress = '{echo}'\nsecret = 'hunter2'\nallow = \
        ['example.org']\n\
         [component.echo]\n[component.tap]\narchive = 'echo@logger.example.org'\n\
         [[component]]\njid = 'logger.example.org'\naddress = '{logger}'\nsecret = 'hunter2'\n\
         [component.logger]\nstore = 'sqlite:{}'\n",
        folder.path().join("logger.db").display()
    );
    folder.write("campanile.toml", &configuration);
    let mut running = Running::start(&configuration, &[]);
    let mut stream = Stream::open(&listeners[0], "echo.example.org");
    let _logger = Stream::open(&listeners[1], "logger.example.org");
    for (sender, answer) in [
        ("alice@example.org", "</message>"),
        ("mallory@elsewhere.example", "</message>"),
    ] {
        stream.write(&format!(
            "<message from='{sender}/r' to='echo.example.org' type='chat' \
            id='1'><body>hi</body></message>"
        ));
        stream.until(answer);
    }
    // A graceful shutdown writes everything to disk.
    running.signal("TERM");
    stream.until("</stream:stream>");
    stream.write("</stream:stream>");
    running.end();
    let ended = end(&mut export, "");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let lines: Vec<serde_json::Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let messages = lines.iter().filter(|line| line["kind"] == "message");
    let passed: Vec<_> = messages
        .map(|line| (line["from"].as_str().unwrap(), line["to"].as_str().unwrap()))
        .collect();
    // A rejected sender leaves only the reply in the archive.
    let alice = "alice@example.org";
    let echo = "echo.example.org";
    assert_eq!(
        passed,
        [
            (alice, echo),
            (echo, alice),
            (echo, "mallory@elsewhere.example")
        ]
    );
    assert!(
        lines
            .iter()
            .all(|line| line["archive"] == "echo@logger.example.org"),
        "{lines:?}"
    );
}
