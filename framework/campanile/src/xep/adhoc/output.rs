//! The output of a command, for clients that support forms and for chats.

use std::fmt;

use minidom::Element;
use serde::Serialize;

use crate::error::BoxError;
use crate::payload::{Note, NoteType, WritePayload};
use crate::stanza::{Children, WriteError};
use crate::xep::form::{self, DataForm, DataFormType, Form, Table, write};

/// The output of a command: notes, forms, tables, or any other XML payload.
///
/// In a chat, it is rendered as text.
#[derive(Debug, Clone, Default)]
pub struct CommandOutput {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Note(Note),
    Form(DataForm),
    Table(Table),
    Other(Element),
}

/// Types that the final handler of a command may return.
///
/// | type | output |
/// |---|---|
/// | `()`, `None` | empty: the command is completed |
/// | `&str`, `String`, [`Note`] | a note |
/// | [`Form<T>`](Form), [`DataForm`] | a form of type result |
/// | [`Table`] | a table |
/// | `Vec`, pairs | all elements, in order |
/// | `Result` | its value; a [`FormError`](crate::form::FormError) is shown to the user, who can correct the form and submit it again; any other error is handled as in [all handlers](crate::guide::errors) |
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the output of a command",
    label = "a command returns this",
    note = "commands return `()`, `String`, `Note`, `Form<T>`, `DataForm`, `Table`, \
        `CommandOutput`, `Option`, `Vec`, pairs of these, or `Result<_, E>` with any error"
)]
pub trait IntoCommandOutput {
    /// Converts the value to the output of a command.
    ///
    /// # Errors
    /// If the value cannot be serialized, or is an error itself.
    fn into_command_output(self) -> Result<CommandOutput, BoxError>;
}

impl CommandOutput {
    /// Creates an empty output.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a note.
    #[must_use]
    pub fn note(self, note: Note) -> Self {
        self.with(Part::Note(note))
    }

    /// Adds a form.
    #[must_use]
    pub fn form(self, form: DataForm) -> Self {
        self.with(Part::Form(form))
    }

    /// Adds a table.
    #[must_use]
    pub fn table(self, table: Table) -> Self {
        self.with(Part::Table(table))
    }

    /// Adds any other payload. It is not shown in chats.
    ///
    /// # Errors
    /// If the payload cannot be serialized as XML.
    pub fn payload<P: WritePayload>(self, payload: &P) -> Result<Self, BoxError> {
        let element = element(payload)?;
        Ok(self.with(Part::Other(element)))
    }

    fn with(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    /// Returns the parts in the form in which a `<command/>` element contains them.
    pub(super) fn into_wire(self) -> Result<(Vec<Note>, Vec<Element>), BoxError> {
        let mut notes = Vec::new();
        let mut payloads = Vec::new();
        for part in self.parts {
            match part {
                Part::Note(note) => notes.push(note),
                Part::Form(form) => payloads.push(form::element(&form)?),
                Part::Table(table) => payloads.push(element(&table)?),
                Part::Other(element) => payloads.push(element),
            }
        }
        Ok((notes, payloads))
    }
}

/// Renders the output as text, as it is sent in a chat. An empty output becomes `Done.`.
impl fmt::Display for CommandOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.parts.iter().filter_map(Part::to_text).collect();
        if parts.is_empty() {
            f.write_str("Done.")
        } else {
            f.write_str(&parts.join("\n"))
        }
    }
}

impl Part {
    fn to_text(&self) -> Option<String> {
        match self {
            Self::Note(note) => Some(match note.kind {
                Some(NoteType::Error) => format!("Error: {}", note.text),
                Some(NoteType::Warn) => format!("Warning: {}", note.text),
                _ => note.text.clone(),
            }),
            Self::Form(form) => Some(form_text(form)),
            Self::Table(table) => Some(table_text(table)),
            Self::Other(_) => None,
        }
    }
}

fn form_text(form: &DataForm) -> String {
    let fields = form
        .fields
        .iter()
        .filter(|field| !field.is_form_type(&form.type_));
    let lines = fields.map(|field| {
        let name = field.label.as_deref().or(field.var.as_deref());
        let values = field.values.join(", ");
        name.map_or_else(|| values.clone(), |name| format!("{name}: {values}"))
    });
    form.title
        .iter()
        .cloned()
        .chain(lines)
        .collect::<Vec<_>>()
        .join("\n")
}

fn table_text(table: &Table) -> String {
    let heads = table.heads().collect::<Vec<_>>().join(" | ");
    let rows = table.rows().map(|row| {
        let cells: Vec<_> = table.columns().map(|var| cell(row, var)).collect();
        cells.join(" | ")
    });
    table
        .title
        .iter()
        .cloned()
        .chain([heads])
        .chain(rows)
        .collect::<Vec<_>>()
        .join("\n")
}

fn cell(row: &[xmpp_parsers::data_forms::Field], var: &str) -> String {
    row.iter()
        .find(|field| field.var.as_deref() == Some(var))
        .map(|field| field.values.join(", "))
        .unwrap_or_default()
}

fn element<P: WritePayload>(payload: &P) -> Result<Element, BoxError> {
    let children = Children::of(payload)?;
    let first = children
        .first()
        .ok_or_else(|| WriteError::Value("no element".to_owned()))?;
    Ok(first.element()?)
}

impl IntoCommandOutput for CommandOutput {
    fn into_command_output(self) -> Result<CommandOutput, BoxError> {
        Ok(self)
    }
}

impl IntoCommandOutput for () {
    fn into_command_output(self) -> Result<CommandOutput, BoxError> {
        Ok(CommandOutput::new())
    }
}

impl IntoCommandOutput for &str {
    fn into_command_output(self) -> Result<CommandOutput, BoxError> {
        Note::info(self).into_command_output()
    }
}

impl IntoCommandOutput for String {
    fn into_command_output(self) -> Result<CommandOutput, BoxError> {
        Note::info(self).into_command_output()
    }
}

impl IntoCommandOutput for Note {
    fn into_command_output(self) -> Result<CommandOutput, BoxError> {
        Ok(CommandOutput::new().note(self))
    }
}

impl IntoCommandOutput for DataForm {
    fn into_command_output(self) -> Result<CommandOutput, BoxError> {
        Ok(CommandOutput::new().form(self))
    }
}

impl IntoCommandOutput for Table {
    fn into_command_output(self) -> Result<CommandOutput, BoxError> {
        Ok(CommandOutput::new().table(self))
    }
}

impl<T: Serialize> IntoCommandOutput for Form<T> {
    fn into_command_output(self) -> Result<CommandOutput, BoxError> {
        let fields = write(&self.0)?;
        DataForm {
            type_: DataFormType::Result_,
            title: None,
            instructions: None,
            fields,
        }
        .into_command_output()
    }
}

impl<T: IntoCommandOutput> IntoCommandOutput for Option<T> {
    fn into_command_output(self) -> Result<CommandOutput, BoxError> {
        self.map_or_else(|| Ok(CommandOutput::new()), T::into_command_output)
    }
}

impl<T: IntoCommandOutput> IntoCommandOutput for Vec<T> {
    fn into_command_output(self) -> Result<CommandOutput, BoxError> {
        let mut all = CommandOutput::new();
        for part in self {
            all.parts.extend(part.into_command_output()?.parts);
        }
        Ok(all)
    }
}

impl<A: IntoCommandOutput, B: IntoCommandOutput> IntoCommandOutput for (A, B) {
    fn into_command_output(self) -> Result<CommandOutput, BoxError> {
        let mut all = self.0.into_command_output()?;
        all.parts.extend(self.1.into_command_output()?.parts);
        Ok(all)
    }
}

impl<T: IntoCommandOutput, E: Into<BoxError>> IntoCommandOutput for Result<T, E> {
    fn into_command_output(self) -> Result<CommandOutput, BoxError> {
        self.map_err(Into::into)?.into_command_output()
    }
}
