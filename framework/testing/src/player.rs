//! Playback of transcripts, and its results.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::io;
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::time::{Duration, timeout};

use super::script::{Script, Step};
use super::show::cut;

/// Time limit for one expected step: longer than any retry delay.
const STEP_TIMEOUT: Duration = Duration::from_secs(120);

/// Result of playing transcripts, returned by [`Transcript::play`](crate::Transcript::play).
#[derive(Debug)]
#[must_use = "transcripts are only verified by `done` or `next`"]
pub struct TranscriptResult {
    left: usize,
    results: mpsc::UnboundedReceiver<Result<(), String>>,
}

impl TranscriptResult {
    /// Waits until all transcripts have been played to the end.
    ///
    /// # Panics
    /// If the component deviates from a transcript, or does not act in time.
    pub async fn done(mut self) {
        while self.left > 0 {
            self.next().await;
        }
    }

    /// Waits until the next transcript has been played to the end.
    ///
    /// # Panics
    /// If the component deviates from the transcript, or does not act in time.
    pub async fn next(&mut self) {
        match timeout(10 * STEP_TIMEOUT, self.results.recv()).await {
            Ok(Some(Ok(()))) => self.left -= 1,
            Ok(Some(Err(failure))) => panic!("{failure}"),
            Ok(None) | Err(_) => panic!("{} transcripts were not played", self.left),
        }
    }
}

pub(super) fn play(
    scripts: Vec<Script>,
) -> (
    impl Fn() -> Ready<io::Result<DuplexStream>> + Send + Sync + 'static,
    TranscriptResult,
) {
    let (report, results) = mpsc::unbounded_channel();
    let played = TranscriptResult {
        left: scripts.len(),
        results,
    };
    let scripts = Mutex::new((1usize..).zip(scripts));
    let connector = move || {
        let next = scripts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next();
        let Some((number, script)) = next else {
            return ready(Err(io::ErrorKind::ConnectionRefused.into()));
        };
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let report = report.clone();
        tokio::spawn(async move {
            let mut player = Player {
                io: ours,
                read: Vec::new(),
                named: HashMap::new(),
                bytewise: script.bytewise,
            };
            let result = player.run(&script.steps).await;
            // Fails if the test has dropped the result.
            let _ =
                report.send(result.map_err(|failure| format!("connection {number}, {failure}")));
        });
        ready(Ok(theirs))
    };
    (connector, played)
}

/// Plays one transcript on one connection.
struct Player {
    io: DuplexStream,
    /// Bytes read and not yet matched.
    read: Vec<u8>,
    named: HashMap<String, String>,
    bytewise: bool,
}

impl Player {
    async fn run(&mut self, steps: &[Step]) -> Result<(), String> {
        for (number, step) in steps.iter().enumerate() {
            self.step(step)
                .await
                .map_err(|failure| format!("step {}: {failure}", number + 1))?;
        }
        Ok(())
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Expect(wanted) => timeout(STEP_TIMEOUT, self.expect(wanted))
                .await
                .unwrap_or_else(|_| {
                    Err(self.failure(wanted, &format!("no more input within {STEP_TIMEOUT:?}")))
                }),
            Step::Send(bytes) => self.send(bytes).await,
            Step::Wait(time) => {
                tokio::time::sleep(*time).await;
                Ok(())
            }
            Step::ExpectEnd => timeout(STEP_TIMEOUT, self.expect_end())
                .await
                .unwrap_or_else(|_| {
                    Err(self.failure(
                        "the end of the stream",
                        &format!("not closed within {STEP_TIMEOUT:?}"),
                    ))
                }),
            Step::Hold => self.hold().await,
        }
    }

    async fn expect(&mut self, wanted: &str) -> Result<(), String> {
        let pieces = pieces(wanted);
        loop {
            match match_prefix(&pieces, &self.read) {
                Matched::Whole { length, named } => {
                    self.read.drain(..length);
                    self.named.extend(named);
                    return Ok(());
                }
                Matched::Mismatch => return Err(self.failure(wanted, "unexpected bytes")),
                Matched::Partial => {}
            }
            if !self.more().await? {
                return Err(self.failure(wanted, "unexpected end of stream"));
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        let bytes = self.filled_in(bytes);
        let step = if self.bytewise { 1 } else { bytes.len().max(1) };
        for part in bytes.chunks(step) {
            self.io
                .write_all(part)
                .await
                .map_err(|error| format!("writing to the component failed: {error}"))?;
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn expect_end(&mut self) -> Result<(), String> {
        while self.read.is_empty() {
            if !self.more().await? {
                return Ok(());
            }
        }
        Err(self.failure("the end of the stream", "unexpected bytes"))
    }

    async fn hold(&mut self) -> Result<(), String> {
        while self.more().await? {
            self.read.clear();
        }
        Ok(())
    }

    /// Reads more bytes. Returns `false` at end of file.
    async fn more(&mut self) -> Result<bool, String> {
        let count = self
            .io
            .read_buf(&mut self.read)
            .await
            .map_err(|error| error.to_string())?;
        Ok(count > 0)
    }

    fn filled_in(&self, bytes: &[u8]) -> Vec<u8> {
        let Ok(text) = std::str::from_utf8(bytes) else {
            return bytes.to_vec();
        };
        let known = self.named.iter();
        known
            .fold(text.to_owned(), |text, (name, value)| {
                text.replace(&format!("{{{name}}}"), value)
            })
            .into_bytes()
    }

    fn failure(&self, wanted: &str, instead: &str) -> String {
        let seen = String::from_utf8_lossy(&self.read);
        format!(
            "{instead}\n  wanted: {}\n    seen: {}\n",
            cut(wanted),
            cut(&seen)
        )
    }
}

/// Part of an expectation: literal text, or a named placeholder.
enum Piece<'w> {
    Text(&'w str),
    Any(&'w str),
}

enum Matched {
    Whole {
        length: usize,
        named: Vec<(String, String)>,
    },
    Partial,
    Mismatch,
}

fn pieces(wanted: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = wanted;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else {
            break;
        };
        pieces.extend([Piece::Text(before), Piece::Any(name)]);
        rest = behind;
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// Matches the start of the input.
fn match_prefix(pieces: &[Piece<'_>], bytes: &[u8]) -> Matched {
    let mut at = 0;
    let mut named = Vec::new();
    let mut open = None;
    for piece in pieces {
        let text = match piece {
            Piece::Any(name) => {
                open = Some(*name);
                continue;
            }
            Piece::Text(text) => text.as_bytes(),
        };
        let rest = &bytes[at..];
        if let Some(name) = open.take() {
            // A placeholder ends where the following literal text starts.
            let Some(end) = memchr::memmem::find(rest, text) else {
                return Matched::Partial;
            };
            named.push((
                name.to_owned(),
                String::from_utf8_lossy(&rest[..end]).into_owned(),
            ));
            at += end + text.len();
        } else if rest.starts_with(text) {
            at += text.len();
        } else {
            return if text.starts_with(rest) {
                Matched::Partial
            } else {
                Matched::Mismatch
            };
        }
    }
    Matched::Whole { length: at, named }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Transcript;

    #[tokio::test]
    async fn captured_text_is_sent_back() {
        let script = Transcript::new()
            .expect("<iq id='{id}'/>")
            .send("<{id}>")
            .expect("bye")
            .expect_end();
        let (connector, played) = Transcript::play([script]);
        let mut io = connector().await.unwrap();
        io.write_all(b"<iq id='42'/>by").await.unwrap();
        let mut answer = [0; 4];
        io.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"<42>");
        io.write_all(b"e").await.unwrap();
        drop(io);
        played.done().await;
        assert!(connector().await.is_err());
    }

    #[tokio::test]
    #[should_panic(
        expected = "connection 1, step 1: unexpected bytes\n  wanted: <a/>\n    seen: <b"
    )]
    async fn unexpected_byte_fails_transcript() {
        let (connector, played) = Transcript::play([Transcript::new().expect("<a/>")]);
        connector().await.unwrap().write_all(b"<b").await.unwrap();
        played.done().await;
    }
}
