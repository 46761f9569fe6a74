//! Lines typed on a terminal, with editing and history.
//!
//! rustyline blocks, so it has a thread of its own; a second one prints above the line that is
//! being edited.

use std::sync::mpsc as blocking;

use rustyline::error::ReadlineError;
use rustyline::{Config, DefaultEditor, ExternalPrinter};
use tokio::sync::mpsc;

use super::output::Printer;

/// Lines that are kept for the arrow keys and Ctrl-R.
const MAX_HISTORY: usize = 1000;
/// Texts that wait to be printed. A terminal that is stopped (Ctrl-S) holds back the demo.
const MAX_WAITING: usize = 256;

/// The next line, or the end of the input.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Typed {
    Line(String),
    /// Ctrl-C. The line was dropped.
    Interrupt,
    /// Ctrl-D on an empty line, or a terminal that is gone.
    End,
}

/// Reads lines from the terminal.
pub(super) struct LineEditor {
    prompts: blocking::Sender<(String, String)>,
    typed: mpsc::Receiver<Typed>,
}

impl LineEditor {
    /// Starts the editor, and the printer for all output while it runs.
    ///
    /// # Errors
    /// If the terminal cannot edit lines, such as one of type `dumb`.
    pub(super) fn start() -> Result<(Self, Printer), ReadlineError> {
        let config = Config::builder()
            .max_history_size(MAX_HISTORY)?
            .auto_add_history(true)
            .build();
        let mut editor = DefaultEditor::with_config(config)?;
        let mut printer = editor.create_external_printer()?;
        let (prompts, asked) = blocking::channel::<(String, String)>();
        let (answers, typed) = mpsc::channel(1);
        std::thread::Builder::new()
            .name("line-editor".to_owned())
            .spawn(move || {
                while let Ok(prompt) = asked.recv() {
                    let typed = match editor.readline(&prompt) {
                        Ok(line) => Typed::Line(line),
                        Err(ReadlineError::Interrupted) => Typed::Interrupt,
                        Err(_) => Typed::End,
                    };
                    if answers.blocking_send(typed).is_err() {
                        break;
                    }
                }
            })?;
        let (texts, waiting) = blocking::sync_channel::<String>(MAX_WAITING);
        let (ends, ended) = mpsc::channel::<()>(1);
        std::thread::Builder::new()
            .name("printer".to_owned())
            .spawn(move || {
                // Dropped at the end.
                let _ends = ends;
                // An error means that the terminal is gone, which ends the editor as well.
                while let Ok(text) = waiting.recv()
                    && printer.print(text).is_ok()
                {}
            })?;
        Ok((Self { prompts, typed }, Printer::new(texts, ended)))
    }

    /// Shows a prompt: a plain one, and the same with colors.
    pub(super) fn ask(&self, plain: String, colored: String) {
        // An error means that the thread has ended, which `next` reports.
        let _ = self.prompts.send((plain, colored));
    }

    /// Waits for the line after the prompt. Can be canceled and called again.
    pub(super) async fn next(&mut self) -> Typed {
        self.typed.recv().await.unwrap_or(Typed::End)
    }
}
