//! The steps of a command and the handlers that build them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::error::BoxError;
use crate::extract::FromInbound;
use crate::handler::Handler;
use crate::inbound::Inbound;
use crate::xep::form::Definition;

/// A type-erased handler of a command.
pub(super) type Run<S, T> = Arc<dyn Fn(&Inbound, &S) -> Running<T> + Send + Sync>;

pub(super) type Running<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// Erases the type of a handler.
pub(super) fn run<H, A, S, T>(handler: H, result: fn(H::Output) -> Result<T, BoxError>) -> Run<S, T>
where
    H: Handler<A>,
    A: FromInbound<S>,
    H::Output: 'static,
    H::Future: Send,
    T: Send + 'static,
{
    Arc::new(
        move |inbound, state| match A::from_inbound(inbound, state) {
            Ok(arguments) => {
                let running = handler.call(arguments);
                Box::pin(async move { result(running.await) })
            }
            Err(rejection) => Box::pin(std::future::ready(Err(rejection.into()))),
        },
    )
}

/// A step of a command: one form.
pub(super) enum Step<S> {
    Fixed(Box<Definition>),
    /// A form that depends on the values entered before; `None` skips the step.
    Built(Run<S, Option<Definition>>),
}

impl<S> Step<S> {
    /// Returns the form of this step, or `None` if it is skipped.
    pub(super) async fn form(
        &self,
        inbound: &Inbound,
        state: &S,
    ) -> Result<Option<Definition>, BoxError> {
        match self {
            Self::Fixed(definition) => Ok(Some((**definition).clone())),
            Self::Built(run) => run(inbound, state).await,
        }
    }
}

impl<S> Clone for Step<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Fixed(definition) => Self::Fixed(definition.clone()),
            Self::Built(run) => Self::Built(Arc::clone(run)),
        }
    }
}

/// Types that the handler of a step may return: a form, or `None` to skip the step.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the step of a command",
    label = "a step returns this",
    note = "steps return `Definition`, `Option<Definition>`, or `Result<_, E>` of these with any \
        error"
)]
pub trait IntoStep {
    /// Converts the value to the form of a step.
    ///
    /// # Errors
    /// If the value is an error itself.
    fn into_step(self) -> Result<Option<Definition>, BoxError>;
}

impl IntoStep for Definition {
    fn into_step(self) -> Result<Option<Definition>, BoxError> {
        Ok(Some(self))
    }
}

impl IntoStep for Option<Definition> {
    fn into_step(self) -> Result<Option<Definition>, BoxError> {
        Ok(self)
    }
}

impl<T: IntoStep, E: Into<BoxError>> IntoStep for Result<T, E> {
    fn into_step(self) -> Result<Option<Definition>, BoxError> {
        self.map_err(Into::into)?.into_step()
    }
}
