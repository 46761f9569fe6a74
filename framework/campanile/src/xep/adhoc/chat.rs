//! Commands in a chat: the words after the command are the values of its form fields.

use std::sync::Arc;

use xmpp_parsers::data_forms::{DataForm, DataFormType, Field as FieldElement, FieldType};

use super::Command;
use super::fault::about_form;
use super::flow::{Flow, Next};
use super::progress::Shown;
use super::step::Step;
use crate::error::{BoxError, Condition};
use crate::extract::{Args, ArgumentError, State};
use crate::inbound::Inbound;
use crate::router::{ChatCommand, Filter, Router, split_words};
use crate::xep::form::{Definition, Field};

/// Placeholder for fields of later steps, which are unknown until the earlier steps are done.
const MORE: &str = "...";

/// Registers the text command for a command.
#[track_caller]
pub(super) fn route<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    sign: &str,
    flow: Arc<Flow<S>>,
) -> Router<S> {
    let command = &flow.command;
    let text: ChatCommand = match pattern(command, sign).parse() {
        Ok(text) => text,
        Err(error) => panic!(
            "command {:?} cannot be offered in a chat: {error}",
            command.node
        ),
    };
    let access = command.access.clone();
    let filter = Filter::conversation().chat_command(text.help(&command.name));
    let chat = Router::new().on(
        filter,
        move |inbound: Inbound, State(state): State<S>, Args(texts): Args<Vec<_>>| {
            let flow = Arc::clone(&flow);
            async move { flow.chat(&inbound, &state, texts).await }
        },
    );
    router.merge(chat.listed_for(&access))
}

/// Builds the pattern of the text command, such as `!order {sku} {count?}`.
fn pattern<S>(command: &Command<S>, sign: &str) -> String {
    let word = command.word.as_deref().unwrap_or(&command.node);
    let fixed = command.steps.iter().filter_map(|step| match step {
        Step::Fixed(definition) => Some(&**definition),
        Step::Built(_) => None,
    });
    let fields: Vec<_> = fixed
        .flat_map(Definition::fields)
        .filter(|field| field.is_asked())
        .collect();
    let name = |field: &Field| {
        field
            .var()
            .unwrap_or_default()
            .replace(|c: char| c.is_whitespace() || "{}".contains(c), "_")
    };
    let required = fields
        .iter()
        .filter(|field| field.is_required())
        .map(|field| format!(" {{{}}}", name(field)));
    let optional = fields
        .iter()
        .filter(|field| !field.is_required())
        .map(|field| format!(" {{{}?}}", name(field)));
    let asked = command
        .steps
        .iter()
        .any(|step| matches!(step, Step::Built(_)));
    let more = asked.then(|| format!(" {{{MORE}?}}"));
    format!(
        "{sign}{word}{}",
        required.chain(optional).chain(more).collect::<String>()
    )
}

impl<S: Send + Sync + 'static> Flow<S> {
    /// Runs all steps with the words of one message.
    async fn chat(
        &self,
        inbound: &Inbound,
        state: &S,
        texts: Vec<Option<String>>,
    ) -> Result<String, BoxError> {
        if !self.command.access.allows(inbound.sender()) {
            return Ok(error_text("you are not allowed to use this command"));
        }
        let mut input = ChatInput::new(&self.command, texts);
        let mut from = 0;
        let mut gathered = Vec::new();
        loop {
            match self
                .next(from, gathered.clone(), inbound, state)
                .await
                .map_err(with_usage)
            {
                Ok(Next::Done(outcome)) => return Ok(outcome.to_string()),
                Ok(Next::Show(shown)) => {
                    gathered.extend(input.fill_in(&self.command, &shown)?);
                    from = shown.at + 1;
                }
                Err(error) => return error_reply(error),
            }
        }
    }
}

/// The words of a chat message, as values of form fields.
struct ChatInput {
    /// Values of fields of fixed forms, by the name of the field.
    values: Vec<(String, String)>,
    /// The remaining text, for steps that are built by a handler.
    more: Option<String>,
}

impl ChatInput {
    fn new<S>(command: &Command<S>, texts: Vec<Option<String>>) -> Self {
        let fixed = command.steps.iter().filter_map(|step| match step {
            Step::Fixed(definition) => Some(definition.fields()),
            Step::Built(_) => None,
        });
        let fields: Vec<_> = fixed.flatten().filter(|field| field.is_asked()).collect();
        // In the order of the pattern: required fields come first.
        let (required, optional): (Vec<&Field>, Vec<&Field>) =
            fields.into_iter().partition(|field| field.is_required());
        let mut texts = texts.into_iter();
        let vars = required.into_iter().chain(optional).filter_map(Field::var);
        let values = vars
            .zip(texts.by_ref())
            .filter_map(|(var, text)| Some((var.to_owned(), text?)))
            .collect();
        Self {
            values,
            more: texts.next().flatten(),
        }
    }

    /// Fills in the form of a step.
    fn fill_in<S>(
        &mut self,
        command: &Command<S>,
        shown: &Shown,
    ) -> Result<Vec<FieldElement>, BoxError> {
        let definition = &shown.definition;
        if matches!(command.steps.get(shown.at), Some(Step::Built(_))) {
            self.take_more(definition);
        }
        let fields = definition.fields().iter().filter_map(|field| {
            let var = field.var()?;
            let entered = self
                .values
                .iter()
                .find(|(known, _)| known == var)
                .map(|(_, text)| field.values_of(text));
            let values = entered.unwrap_or_else(|| field.preset().to_vec());
            Some(FieldElement {
                values,
                ..FieldElement::new(var, FieldType::TextSingle)
            })
        });
        let form = DataForm {
            type_: DataFormType::Submit,
            title: None,
            instructions: None,
            fields: fields.collect(),
        };
        definition
            .check(&form)
            .map_err(|error| ArgumentError(error.to_string()))?;
        Ok(definition.complete(&form.fields))
    }

    /// Assigns the remaining words to the fields of a step that was built by a handler.
    fn take_more(&mut self, definition: &Definition) {
        let asked: Vec<_> = definition
            .fields()
            .iter()
            .filter(|field| field.is_asked())
            .filter_map(Field::var)
            .collect();
        let Some(more) = self.more.take() else { return };
        let mut words = split_words(&more, asked.len() + 1);
        self.more = if words.len() > asked.len() {
            words.pop()
        } else {
            None
        };
        self.values
            .extend(asked.into_iter().map(str::to_owned).zip(words));
    }
}

/// Turns an error about the form into one that also shows the usage of the command.
fn with_usage(error: BoxError) -> BoxError {
    about_form(&error).map_or(error, |text| ArgumentError(text).into())
}

/// Turns an error into a text reply for the user. Internal errors stay errors.
fn error_reply(error: BoxError) -> Result<String, BoxError> {
    let rescued = crate::error::into_stanza_error(&error);
    match rescued.text() {
        Some(text)
            if !error.is::<ArgumentError>()
                && rescued.condition() != Condition::InternalServerError =>
        {
            Ok(error_text(text))
        }
        _ => Err(error),
    }
}

fn error_text(text: &str) -> String {
    format!("Error: {text}")
}
