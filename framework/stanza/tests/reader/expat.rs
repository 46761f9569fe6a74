//! The reader compared with expat, which Prosody and ejabberd use, in a separate process.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use campanile_stanza::reader::ReadError;
use campanile_stanza::stanza::{Kind, MessageType, Stanza};
use serde_json::Value;

use crate::differential::corpus;
use crate::generate::{Rng, document, mutate};
use crate::oracle::compare;
use crate::tree::{Builder, Document, End, Tree};

/// The result of expat for one document.
struct Report {
    document: Document,
    /// The document has a comment, a processing instruction or a document type, which RFC 6120
    /// §11.1 forbids.
    restricted: bool,
    version: Option<String>,
    encoding: Option<String>,
    error: String,
}

#[test]
fn reader_agrees_with_expat() {
    let mut rng = Rng(3);
    let mut documents = corpus();
    for _ in 0..6000 {
        let mut bytes = document(&mut rng);
        documents.push(bytes.clone());
        mutate(&mut rng, &mut bytes);
        documents.push(bytes);
    }
    let mut known = 0;
    let reports = expat(&documents);
    assert_eq!(reports.len(), documents.len());
    for (bytes, report) in documents.iter().zip(&reports) {
        if let Err(found) = compare(bytes, &report.document, |_| End::Open) {
            let Report { error, .. } = report;
            assert!(
                found.blind || is_known(bytes, report, found.fault),
                "{}\n{}: {error}",
                bytes.escape_ascii(),
                found.why
            );
            known += 1;
        }
    }
    assert!(
        known * 20 < documents.len(),
        "{known} documents with known differences"
    );
}

/// The emitter accepts exactly the name characters that expat accepts.
#[test]
fn writable_names_are_those_of_expat() {
    let mut names = Vec::new();
    let mut accepted = String::new();
    for c in ('\u{80}'..='\u{1FFFF}').filter(|c| c.len_utf8() < 4 || u32::from(*c) % 0x400 == 0) {
        for name in [c.to_string(), format!("a{c}")] {
            if Stanza::new(Kind::Message(MessageType::Chat))
                .with_text(&name, "")
                .is_ok()
            {
                accepted += &format!("<{name} {name}=''/>");
            } else {
                names.push(name);
            }
        }
    }
    let mut documents: Vec<_> = names
        .iter()
        .map(|name| format!("<{name}/>").into_bytes())
        .collect();
    documents.push(format!("<x>{accepted}</x>").into_bytes());
    let mut reports = expat(&documents);
    let all = reports.pop().unwrap();
    assert!(all.document.end == End::Closed, "{}", all.error);
    assert_eq!(reports.len(), names.len());
    for (name, report) in names.iter().zip(&reports) {
        assert!(
            report.document.end == End::Broken,
            "expat accepts the name {name:?}"
        );
    }
}

/// Returns `true` for known and legitimate differences: RFC 6120 §11 allows a subset of XML.
fn is_known(bytes: &[u8], report: &Report, fault: Option<ReadError>) -> bool {
    let Document { header, end, .. } = &report.document;
    let declared = bytes.starts_with(b"<?xml");
    let unfinished = *end == End::Open;
    match fault {
        // RFC 6120 §11.1: no comments, processing instructions and document types.
        Some(ReadError::Restricted(_)) => report.restricted || unfinished,
        // RFC 6120 §11.6: UTF-8 only.
        Some(ReadError::Encoding) => {
            let encoding = report.encoding.as_ref();
            let mark = bytes.starts_with(b"\xFF\xFE") || bytes.starts_with(b"\xFE\xFF");
            mark || encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("utf-8"))
        }
        // expat accepts any version, and checks the declaration only when it is complete.
        Some(ReadError::NotWellFormed(_)) if declared => {
            let version = report.version.as_ref();
            version.is_some_and(|version| !version.starts_with("1."))
                || (unfinished && header.is_none())
        }
        _ => false,
    }
}

/// Runs one expat process on all documents.
fn expat(documents: &[Vec<u8>]) -> Vec<Report> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reader/expat.py");
    let mut child = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3, which includes expat, must be installed");
    let mut input = child.stdin.take().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let reports = std::thread::scope(|scope| {
        scope.spawn(move || {
            for bytes in documents {
                writeln!(input, "{}", bytes.len())
                    .and_then(|()| input.write_all(bytes))
                    .expect("expat reads its input");
            }
        });
        output
            .lines()
            .map(|line| report(&serde_json::from_str(&line.unwrap()).unwrap()))
            .collect()
    });
    assert!(child.wait().unwrap().success());
    reports
}

fn report(value: &Value) -> Report {
    let string = |value: &Value| value.as_str().map(str::to_owned);
    let error = string(&value["error"]);
    let mut builder = Builder::default();
    for event in value["events"].as_array().unwrap() {
        match event[0].as_str() {
            Some("start") => builder.start(element(event)),
            Some("end") => builder.end(),
            _ => builder.text(event[1].as_str().unwrap()),
        }
    }
    if error.is_some() {
        builder.broken();
    }
    Report {
        document: builder.finish(),
        restricted: value["restricted"] == Value::Bool(true),
        version: string(&value["version"]),
        encoding: string(&value["encoding"]),
        error: error.unwrap_or_default(),
    }
}

fn element(event: &Value) -> Tree {
    let string = |value: &Value| value.as_str().unwrap().to_owned();
    let name = |value: &Value| (string(&value[0]), string(&value[1]));
    let attributes = event[2]
        .as_array()
        .unwrap()
        .iter()
        .map(|pair| (name(&pair[0]), string(&pair[1])))
        .collect();
    let (namespace, name) = name(&event[1]);
    Tree {
        namespace,
        name,
        attributes,
        content: Vec::new(),
    }
}
