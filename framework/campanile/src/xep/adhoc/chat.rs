//! Commands in a chat: the words behind the command are what clients with forms would fill in.

use std::sync::Arc;

use xmpp_parsers::data_forms::{DataForm, DataFormType, Field as FieldElement, FieldType};

use super::Command;
use super::fault::about_form;
use super::flow::{Flow, Next};
use super::session::Shown;
use super::step::Step;
use crate::error::{BoxError, Condition};
use crate::extract::{Args, ArgumentError, State};
use crate::inbound::Inbound;
use crate::router::{ChatCommand, Filter, Router, split_words};
use crate::xep::form::{Definition, Field};

/// Stands for everything that is only known once the first steps are taken.
const MORE: &str = "...";

/// Adds the text command of a command.
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
            "the command of node {:?} cannot be written in a chat: {error}",
            command.node
        ),
    };
    // Who may not run it need not know of it.
    let secret = !command.access.is_open();
    let filter = Filter::conversation().chat_command(text.help(&command.name));
    let chat = Router::new().on(
        filter,
        move |inbound: Inbound, State(state): State<S>, Args(texts): Args<Vec<_>>| {
            let flow = Arc::clone(&flow);
            async move { flow.chat(&inbound, &state, texts).await }
        },
    );
    router.merge(if secret { chat.hidden() } else { chat })
}

/// How it is written, such as `!order {sku} {count?}`.
fn pattern<S>(command: &Command<S>, sign: &str) -> String {
    let word = command.word.as_deref().unwrap_or(&command.node);
    let fixed = command.steps.iter().filter_map(|step| match step {
        Step::Fixed(definition) => Some(&**definition),
        Step::Asked(_) => None,
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
        .any(|step| matches!(step, Step::Asked(_)));
    let more = asked.then(|| format!(" {{{MORE}?}}"));
    format!(
        "{sign}{word}{}",
        required.chain(optional).chain(more).collect::<String>()
    )
}

impl<S: Send + Sync + 'static> Flow<S> {
    /// Takes all steps at once.
    async fn chat(
        &self,
        inbound: &Inbound,
        state: &S,
        texts: Vec<Option<String>>,
    ) -> Result<String, BoxError> {
        if !self.command.access.allows(inbound.sender()) {
            return Ok(told("you may not do this"));
        }
        let mut said = Said::new(&self.command, texts);
        let mut from = 0;
        let mut gathered = Vec::new();
        loop {
            match self
                .next(from, gathered.clone(), inbound, state)
                .await
                .map_err(explained)
            {
                Ok(Next::Done(outcome)) => return Ok(outcome.to_text()),
                Ok(Next::Show(shown)) => {
                    gathered.extend(said.fill_in(&self.command, &shown)?);
                    from = shown.at + 1;
                }
                Err(error) => return explained_to_person(error),
            }
        }
    }
}

/// What somebody wrote, as values of the fields.
struct Said {
    /// By the names of the fields that are known beforehand.
    values: Vec<(String, String)>,
    /// Everything else.
    more: Option<String>,
}

impl Said {
    fn new<S>(command: &Command<S>, texts: Vec<Option<String>>) -> Self {
        let fixed = command.steps.iter().filter_map(|step| match step {
            Step::Fixed(definition) => Some(definition.fields()),
            Step::Asked(_) => None,
        });
        let fields: Vec<_> = fixed.flatten().filter(|field| field.is_asked()).collect();
        // In the order of the pattern: what is required comes first.
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

    /// Fills in a form.
    fn fill_in<S>(
        &mut self,
        command: &Command<S>,
        shown: &Shown,
    ) -> Result<Vec<FieldElement>, BoxError> {
        let definition = &shown.definition;
        if matches!(command.steps.get(shown.at), Some(Step::Asked(_))) {
            self.take_more(definition);
        }
        let fields = definition.fields().iter().filter_map(|field| {
            let var = field.var()?;
            let said = self
                .values
                .iter()
                .find(|(known, _)| known == var)
                .map(|(_, text)| field.values_of(text));
            let values = said.unwrap_or_else(|| field.preset().to_vec());
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

    /// Gives the words that are left to the fields of a step that nobody knew beforehand.
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

/// A fault of what was written is told with how it is written.
fn explained(error: BoxError) -> BoxError {
    about_form(&error).map_or(error, |text| ArgumentError(text).into())
}

/// A person reads text; what is a fault of ours stays one.
fn explained_to_person(error: BoxError) -> Result<String, BoxError> {
    let rescued = crate::error::into_stanza_error(&error);
    match rescued.text() {
        Some(text)
            if !error.is::<ArgumentError>()
                && rescued.condition() != Condition::InternalServerError =>
        {
            Ok(told(text))
        }
        _ => Err(error),
    }
}

fn told(text: &str) -> String {
    format!("Error: {text}")
}
