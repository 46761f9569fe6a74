//! The steps of a command, and the functions behind them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::error::BoxError;
use crate::extract::FromInbound;
use crate::handler::Handler;
use crate::inbound::Inbound;
use crate::xep::form::Definition;

/// Any function of a command, whatever its arguments are.
pub(super) type Run<S, T> = Arc<dyn Fn(&Inbound, &S) -> Running<T> + Send + Sync>;

pub(super) type Running<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

/// Boxes a function.
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

/// One form that is shown on the way.
pub(super) enum Step<S> {
    Fixed(Box<Definition>),
    /// A form that depends on what was filled in before; none, when there is nothing to ask.
    Asked(Run<S, Option<Definition>>),
}

impl<S> Step<S> {
    /// The form of this step for who has come here.
    pub(super) async fn form(
        &self,
        inbound: &Inbound,
        state: &S,
    ) -> Result<Option<Definition>, BoxError> {
        match self {
            Self::Fixed(definition) => Ok(Some((**definition).clone())),
            Self::Asked(run) => run(inbound, state).await,
        }
    }
}

impl<S> Clone for Step<S> {
    fn clone(&self) -> Self {
        match self {
            Self::Fixed(definition) => Self::Fixed(definition.clone()),
            Self::Asked(run) => Self::Asked(Arc::clone(run)),
        }
    }
}

/// What a function that makes a step may return: a form, or none when there is nothing to ask.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the step of a command",
    label = "a step returns this",
    note = "steps return `Definition`, `Option<Definition>`, or `Result<_, E>` of these with any \
        error"
)]
pub trait IntoStep {
    /// The form.
    ///
    /// # Errors
    /// When it is an error itself.
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
