//! The lines of the prompt, from a terminal or a pipe.

use std::io::{self, IsTerminal};

use campanile::jid::Jid;
use campanile_testing::host::User;
use tokio::io::{AsyncBufReadExt, BufReader, Stdin};

use super::editor::{LineEditor, Typed};
use super::output::Output;
use crate::escape::Escaped;

/// The source of the lines.
pub(super) enum Lines {
    /// A terminal, with editing.
    Edited(LineEditor),
    /// A pipe, a file, or a terminal without editing.
    Plain(tokio::io::Lines<BufReader<Stdin>>),
}

impl Lines {
    pub(super) fn open(output: &Output) -> Self {
        if io::stdin().is_terminal()
            && io::stdout().is_terminal()
            && let Ok((editor, printer)) = LineEditor::start()
        {
            output.print_through(printer);
            return Self::Edited(editor);
        }
        Self::Plain(BufReader::new(tokio::io::stdin()).lines())
    }

    /// Reads the next line.
    pub(super) async fn next(
        &mut self,
        to: &Jid,
        alice: &User,
        output: &Output,
    ) -> io::Result<Typed> {
        let prompt = format!("alice → {}> ", Escaped(to));
        let colored = output.prompt(&prompt);
        match self {
            Self::Edited(editor) => editor.ask(prompt, colored),
            Self::Plain(_) if io::stdin().is_terminal() => output.text(&colored),
            Self::Plain(_) => {}
        }
        loop {
            tokio::select! {
                typed = self.read() => return typed,
                // Already shown by the observer; drained so that the queue does not fill.
                Some(_) = alice.recv() => {}
            }
        }
    }

    async fn read(&mut self) -> io::Result<Typed> {
        match self {
            Self::Edited(editor) => Ok(editor.next().await),
            Self::Plain(lines) => Ok(lines.next_line().await?.map_or(Typed::End, Typed::Line)),
        }
    }
}
