//! Calls the handler of a chat command, and replies with the usage if the arguments are invalid.

use std::error::Error;

use tower_layer::Layer;

use super::ChatCommand;
use crate::error::BoxError;
use crate::extract::{ArgumentError, CommandArguments, body};
use crate::handler::ReplyFuture;
use crate::inbound::Inbound;
use crate::layer::LoopGuardLayer;
use crate::reply::{InLanguage, IntoReply, Reply};
use crate::router::route::{Endpoint, Route};

/// The route of a chat command.
pub(in crate::router) struct CommandCall {
    route: Route,
    command: ChatCommand,
}

impl CommandCall {
    /// Wraps the route. The loop guard is needed because the reply may look like a command to
    /// another bot.
    pub(in crate::router) fn around(
        route: Route,
        command: &ChatCommand,
        guard: Option<&LoopGuardLayer>,
    ) -> Route {
        let called = Route::from_endpoint(Self {
            route,
            command: command.clone(),
        });
        match guard {
            Some(guard) => Route::new(guard.layer(called)),
            None => called,
        }
    }
}

impl Endpoint for CommandCall {
    fn call(&self, mut inbound: Inbound) -> ReplyFuture {
        let written = body(inbound.stanza())
            .map(|body| body.text().into_owned())
            .unwrap_or_default();
        let arguments = self.command.arguments(&written).map_err(ArgumentError);
        inbound.extensions_mut().insert(CommandArguments(arguments));
        let reply = self.route.handle(inbound);
        let usage = self.command.usage();
        ReplyFuture::new(async move { reply.await.or_else(|error| explained(error, &usage)) })
    }
}

/// Replies with a text instead of a stanza error, which many clients only show as "not delivered".
fn explained(error: BoxError, usage: &str) -> Result<Reply, BoxError> {
    let mut link: Option<&(dyn Error + 'static)> = Some(&*error);
    while let Some(error) = link {
        if let Some(ArgumentError(why)) = error.downcast_ref() {
            let text = format!("{why}\nUsage: {usage}");
            return InLanguage("en".to_owned(), text).into_reply();
        }
        link = error.source();
    }
    Err(error)
}
