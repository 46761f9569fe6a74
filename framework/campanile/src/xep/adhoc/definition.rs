//! What one command is: its name, who may run it, what it asks, what it does.

use std::fmt;

use super::output::{CommandOutput, IntoCommandOutput};
use super::step::{IntoStep, Run, Step, run};
use crate::extract::FromInbound;
use crate::handler::Handler;
use crate::layer::{AccessLayer, Rule};
use crate::xep::form::Definition;

/// One command, for clients that show forms (XEP-0050) and for people who chat.
///
/// Its functions are [handlers](crate::handler): they take the same arguments, and
/// [`Form<T>`](crate::form::Form) is what was filled in so far, over all steps. `S` is the state
/// that they still lack.
pub struct Command<S = ()> {
    pub(super) node: String,
    pub(super) name: String,
    pub(super) word: Option<String>,
    pub(super) access: AccessLayer,
    pub(super) steps: Vec<Step<S>>,
    /// Behind which steps nothing more need be asked.
    pub(super) enough: Vec<usize>,
    pub(super) run: Run<S, CommandOutput>,
}

impl<S: Send + Sync + 'static> Command<S> {
    /// A command: its node, its name for people, and what it does in the end.
    pub fn new<H, A>(node: impl Into<String>, name: impl Into<String>, handler: H) -> Self
    where
        H: Handler<A>,
        A: FromInbound<S>,
        H::Output: IntoCommandOutput + 'static,
        H::Future: Send,
    {
        Self {
            node: node.into(),
            name: name.into(),
            word: None,
            access: AccessLayer::new(),
            steps: Vec::new(),
            enough: Vec::new(),
            run: run(handler, H::Output::into_command_output),
        }
    }

    /// Asks for this before anything is done. Each call adds a step.
    #[must_use]
    pub fn form(mut self, definition: Definition) -> Self {
        self.steps.push(Step::Fixed(Box::new(definition)));
        self
    }

    /// Asks for what this function says, which knows what was filled in before. Each call adds a
    /// step.
    #[must_use]
    pub fn step<H, A>(mut self, handler: H) -> Self
    where
        H: Handler<A>,
        A: FromInbound<S>,
        H::Output: IntoStep + 'static,
        H::Future: Send,
    {
        self.steps
            .push(Step::Asked(run(handler, H::Output::into_step)));
        self
    }

    /// What was asked up to here is enough: at the step that was added last people may also
    /// complete the command at once (XEP-0050 §3.4). The steps behind it are then taken as their
    /// fields are preset; one whose fields are not is shown all the same. In the default case,
    /// `execute`, people go on to the next step.
    ///
    /// ```
    /// use campanile::adhoc::Command;
    /// use campanile::form::{Definition, Field};
    ///
    /// let size = Definition::new().field(Field::text("size").required());
    /// let extras = Definition::new().field(Field::choice("milk").option("none", "No").option("oat", "Oat").value("none"));
    /// let coffee = Command::<()>::new("coffee", "A coffee", async || "It is on its way.").form(size).allow_complete().form(extras);
    /// ```
    ///
    /// # Panics
    /// When there is no step yet.
    #[must_use]
    #[track_caller]
    pub fn allow_complete(mut self) -> Self {
        match self.steps.len().checked_sub(1) {
            Some(last) => self.enough.push(last),
            None => panic!(
                "the command of node {:?} has not asked for anything yet",
                self.node
            ),
        }
        self
    }

    /// Only these bare JIDs and domains may see and run it. Called again, these as well.
    ///
    /// # Panics
    /// When a text is neither a bare JID nor a domain.
    #[must_use]
    #[track_caller]
    pub fn allow<R>(mut self, who: impl IntoIterator<Item = R>) -> Self
    where
        R: TryInto<Rule>,
        R::Error: fmt::Display,
    {
        // No closure: a panic there would not be at the caller's line.
        let mut rules = Vec::new();
        for rule in who {
            match rule.try_into() {
                Ok(rule) => rules.push(rule),
                Err(error) => panic!("{error}"),
            }
        }
        // Nobody at all is a list, too.
        self.access = rules
            .into_iter()
            .fold(self.access.closed(), AccessLayer::allow);
        self
    }

    /// Who may see and run it.
    #[must_use]
    pub fn access(mut self, access: AccessLayer) -> Self {
        self.access = access;
        self
    }

    /// The word that runs it in a chat, where that is not its node.
    #[must_use]
    pub fn chat_name(mut self, word: impl Into<String>) -> Self {
        self.word = Some(word.into());
        self
    }
}

impl<S> fmt::Debug for Command<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("node", &self.node)
            .field("steps", &self.steps.len())
            .finish_non_exhaustive()
    }
}
