//! The definition of one command: its name, permissions, steps and final handler.

use std::fmt;

use super::output::{CommandOutput, IntoCommandOutput};
use super::step::{IntoStep, Run, Step, run};
use crate::extract::FromInbound;
use crate::handler::Handler;
use crate::layer::{AccessLayer, Rule};
use crate::xep::form::Definition;

/// One command, for clients that support forms (XEP-0050) and for chats.
///
/// Its functions are [handlers](crate::handler) and take the same arguments. In them,
/// [`Form<T>`](crate::form::Form) holds the values entered so far, over all steps. `S` is the type
/// of the state that the handlers still need.
pub struct Command<S = ()> {
    pub(super) node: String,
    pub(super) name: String,
    pub(super) word: Option<String>,
    pub(super) access: AccessLayer,
    pub(super) steps: Vec<Step<S>>,
    /// Indices of the steps at which the command can be completed early.
    pub(super) completable: Vec<usize>,
    pub(super) run: Run<S, CommandOutput>,
}

impl<S: Send + Sync + 'static> Command<S> {
    /// Creates a command from its node, its display name and its final handler.
    ///
    /// The node identifies the command on the wire and must be unique at its address.
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
            completable: Vec::new(),
            run: run(handler, H::Output::into_command_output),
        }
    }

    /// Adds a step with a fixed form. Steps are shown in the order in which they are added.
    #[must_use]
    pub fn form(mut self, definition: Definition) -> Self {
        self.steps.push(Step::Fixed(Box::new(definition)));
        self
    }

    /// Adds a step whose form is built by a handler from the values entered before.
    ///
    /// The handler may return `None` to skip the step.
    #[must_use]
    pub fn step<H, A>(mut self, handler: H) -> Self
    where
        H: Handler<A>,
        A: FromInbound<S>,
        H::Output: IntoStep + 'static,
        H::Future: Send,
    {
        self.steps
            .push(Step::Built(run(handler, H::Output::into_step)));
        self
    }

    /// Allows users to complete the command at the step that was added last (XEP-0050 §3.4).
    ///
    /// Use this when the remaining steps are optional. Their preset values are used; a step whose
    /// required fields have no preset value is still shown. The default action, `execute`, still
    /// moves on to the next step.
    ///
    /// ```
    /// use campanile::adhoc::Command;
    /// use campanile::form::{Definition, Field};
    ///
    /// let size = Definition::new().field(Field::text("size").required());
    /// let milk = Field::choice("milk").option("none", "No").option("oat", "Oat").value("none");
    /// let coffee = Command::<()>::new("coffee", "A coffee", async || "Your coffee is being made.")
    ///     .form(size)
    ///     .allow_complete()
    ///     .form(Definition::new().field(milk));
    /// ```
    ///
    /// # Panics
    /// If the command has no step yet.
    #[must_use]
    #[track_caller]
    pub fn allow_complete(mut self) -> Self {
        match self.steps.len().checked_sub(1) {
            Some(last) => self.completable.push(last),
            None => panic!(
                "command {:?} has no steps: call form() or step() before allow_complete()",
                self.node
            ),
        }
        self
    }

    /// Allows only these bare JIDs and domains to see and run the command. Further calls add to the
    /// list. An empty list allows no one.
    ///
    /// # Panics
    /// If an entry is neither a bare JID nor a domain.
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
        // An empty list is meaningful: it allows no one.
        self.access = rules
            .into_iter()
            .fold(self.access.closed(), AccessLayer::allow);
        self
    }

    /// Sets the access rules for seeing and running the command.
    #[must_use]
    pub fn access(mut self, access: AccessLayer) -> Self {
        self.access = access;
        self
    }

    /// Sets the name of the command in a chat. Defaults to its node.
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
